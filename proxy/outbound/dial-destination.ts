import type { Socket } from "node:net";
import type { Destination, Endpoint, MeshDestination } from "../../mesh/policy/types.ts";
import type { Clock, Random } from "../../mesh/runtime.ts";
import { type Address, connectTcp } from "../connections/connect-tcp.ts";
import type { HandshakeFailure, VerifiedPeer } from "../connections/handshake.ts";
import { abortSocket } from "../connections/relay.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import { originateTls, STREAM_ALPN } from "./originate-tls.ts";

/** A connection to an endpoint, verified where it is mutual TLS, on which nothing has been sent yet. */
export interface DialedConnection {
  readonly kind: "connected";
  readonly socket: Socket;
  readonly endpoint: { readonly ip: string; readonly port: number };
  /** The mesh's endpoint; `undefined` for a pass-through address. */
  readonly meshEndpoint: Endpoint | undefined;
  /** `undefined`: plaintext, because the destination's rule says so. */
  readonly peer: VerifiedPeer | undefined;
  /** The generation of the SVID that was shown; 0 for plaintext. */
  readonly generation: number;
}

/** Stable: the `reason` label of refused connections. */
export type DialFailureReason =
  | HandshakeFailure
  | "refused_destination"
  | "no_healthy_endpoint"
  | "no_svid"
  | "connect_failed";

export interface DialFailure {
  readonly kind: "failed";
  readonly reason: DialFailureReason;
  readonly message: string;
}

export interface Dialer {
  /** Dials a destination; `fallback` is the original address, for a pass-through destination. */
  dial(
    destination: Destination,
    fallback: Address | undefined,
    signal: AbortSignal,
  ): Promise<DialedConnection | DialFailure>;
}

export interface DialerOptions {
  readonly secureContexts: SecureContextSource;
  readonly clock: Clock;
  readonly random: Random;
  /** For one endpoint while another is left to try. @default 2000 */
  readonly connectTimeoutMs?: number;
  /** For the last endpoint, and for pass-through addresses. @default 10000 */
  readonly lastConnectTimeoutMs?: number;
  /** @default 5000 */
  readonly handshakeTimeoutMs?: number;
  /** How many endpoints are tried at most. @default 3 */
  readonly attempts?: number;
}

/**
 * Opens connections to destinations. Endpoints are tried in random order, the next one when a connection cannot be
 * made or the server is not whom the destination allows: nothing has been sent at that point, so trying again is safe.
 * Where the destination's rule says mutual TLS there is no way to plaintext from here.
 */
export function createDialer(options: DialerOptions): Dialer {
  const settings = {
    connectTimeoutMs: 2000,
    lastConnectTimeoutMs: 10_000,
    handshakeTimeoutMs: 5000,
    attempts: 3,
    ...options,
  };
  return {
    async dial(destination, fallback, signal) {
      switch (destination.kind) {
        case "refused":
          return failed("refused_destination", destination.reason);
        case "passthrough":
          if (fallback === undefined)
            return failed("refused_destination", "a pass-through destination without an address");
          return await dialPassthrough(fallback, settings, signal);
        case "mesh":
          return await dialMesh(destination, settings, signal);
      }
    },
  };
}

type Settings = Required<DialerOptions>;

async function dialPassthrough(
  address: Address,
  settings: Settings,
  signal: AbortSignal,
): Promise<DialedConnection | DialFailure> {
  const connected = await connectTcp(address, {
    timeoutMs: settings.lastConnectTimeoutMs,
    clock: settings.clock,
    signal,
  });
  if (connected.kind === "failed") return failed("connect_failed", connected.message);
  const { socket } = connected;
  return { kind: "connected", socket, endpoint: address, meshEndpoint: undefined, peer: undefined, generation: 0 };
}

async function dialMesh(
  destination: MeshDestination,
  settings: Settings,
  signal: AbortSignal,
): Promise<DialedConnection | DialFailure> {
  const order = shuffle(destination.endpoints, settings.random).slice(0, settings.attempts);
  let failure = failed("no_healthy_endpoint", `${destination.host}:${destination.port} has no ready endpoint`);
  for (const [index, endpoint] of order.entries()) {
    const timeoutMs = index === order.length - 1 ? settings.lastConnectTimeoutMs : settings.connectTimeoutMs;
    const dialed = await dialEndpoint(endpoint, { destination, timeoutMs, settings, signal });
    if (dialed.kind === "connected" || signal.aborted) return dialed;
    failure = dialed;
  }
  return failure;
}

interface EndpointAttempt {
  readonly destination: MeshDestination;
  readonly timeoutMs: number;
  readonly settings: Settings;
  readonly signal: AbortSignal;
}

function dialEndpoint(endpoint: Endpoint, attempt: EndpointAttempt): Promise<DialedConnection | DialFailure> {
  return endpoint.mutualTls ? dialMutualTls(endpoint, attempt) : dialPlaintext(endpoint, attempt);
}

async function dialPlaintext(endpoint: Endpoint, attempt: EndpointAttempt): Promise<DialedConnection | DialFailure> {
  const connected = await connectEndpoint(endpoint, attempt);
  if (connected.kind === "failed") return connected;
  return {
    kind: "connected",
    socket: connected.socket,
    endpoint,
    meshEndpoint: endpoint,
    peer: undefined,
    generation: 0,
  };
}

async function dialMutualTls(endpoint: Endpoint, attempt: EndpointAttempt): Promise<DialedConnection | DialFailure> {
  const { settings, destination, signal } = attempt;
  const material = settings.secureContexts.current();
  if (material === undefined) {
    return failed("no_svid", `${destination.host} wants mutual TLS and this workload has no valid certificate`);
  }
  const connected = await connectEndpoint(endpoint, attempt);
  if (connected.kind === "failed") return connected;
  const cancel = (): void => abortSocket(connected.socket);
  signal.addEventListener("abort", cancel, { once: true });
  const result = await originateTls(connected.socket, {
    clock: settings.clock,
    timeoutMs: settings.handshakeTimeoutMs,
    material,
    sni: destination.sni,
    expected: destination.identities,
    alpnProtocols: STREAM_ALPN,
  });
  signal.removeEventListener("abort", cancel);
  if (result.kind === "failed") {
    abortSocket(connected.socket);
    const server = `${destination.host} at ${endpoint.ip}:${endpoint.port}`;
    return failed(result.reason, `mutual TLS to ${server} failed: ${result.message}`);
  }
  const { socket, peer } = result;
  return { kind: "connected", socket, endpoint, meshEndpoint: endpoint, peer, generation: material.generation };
}

async function connectEndpoint(
  endpoint: Endpoint,
  attempt: EndpointAttempt,
): Promise<{ readonly kind: "socket"; readonly socket: Socket } | DialFailure> {
  const { settings, timeoutMs, signal } = attempt;
  const connected = await connectTcp(endpoint, { timeoutMs, clock: settings.clock, signal });
  return connected.kind === "failed" ? failed("connect_failed", connected.message) : connected;
}

function failed(reason: DialFailureReason, message: string): DialFailure {
  return { kind: "failed", reason, message };
}

/** Fisher and Yates, on a copy. */
function shuffle<T>(items: readonly T[], random: Random): T[] {
  const rest = [...items];
  const shuffled: T[] = [];
  while (rest.length > 0) shuffled.push(...rest.splice(Math.floor(random() * rest.length), 1));
  return shuffled;
}
