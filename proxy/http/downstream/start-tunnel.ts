import type { Clock } from "../../../mesh/runtime.ts";
import { type Relay, type RelayEnds, relay } from "../../connections/relay.ts";

/** Bytes of a tunnel: from the client, and to it. */
export interface TunnelBytes {
  readonly received: number;
  readonly sent: number;
}

/** A half-closed tunnel may be idle for an hour, like a stream. */
const HALF_OPEN_MS = 3_600_000;

/**
 * Relays bytes in both directions after an upgrade (RFC 9110 §7.8).
 * @param rest what the client has already sent after its request.
 * @param onEnd called once.
 */
export function startTunnel(ends: RelayEnds, clock: Clock, rest: Buffer, onEnd: (bytes: TunnelBytes) => void): Relay {
  const { downstream } = ends;
  if (rest.length > 0) downstream.unshift(rest);
  const received = downstream.bytesRead - rest.length;
  const sent = downstream.bytesWritten;
  const tunnel = relay(ends, { clock, halfOpenIdleMs: HALF_OPEN_MS });
  tunnel.onEnd(() => {
    onEnd({ received: downstream.bytesRead - received, sent: downstream.bytesWritten - sent });
  });
  return tunnel;
}
