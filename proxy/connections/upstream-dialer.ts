import type { Duplex } from "node:stream";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { RequestMeter } from "../telemetry/request-meter.ts";

/** Opens connections to services, as the mesh's policy says: the gateway itself knows nothing of TLS. */
export interface UpstreamDialer {
  dial(target: HostTarget, signal: AbortSignal): Promise<UpstreamConnection | UpstreamFailure>;
}

/** A connection whose server has been verified, where policy asks for it, and on which nothing was sent yet. */
export interface UpstreamConnection {
  readonly kind: "connected";
  readonly socket: Duplex;
  /**
   * Whether it would be made the same way now: own certificate, trust and destination have not changed. What is no
   * longer current serves its request to the end and is then closed.
   */
  readonly isCurrent: () => boolean;
  /** Calls the listener when the destination has changed, so that an idle connection need not wait for a request. */
  readonly onChange?: (listener: () => void) => void;
  /** Counts the requests that go over it; absent: by what is known of their target. */
  readonly meter?: RequestMeter;
  /** `ip:port`, for the access log. */
  readonly address?: string;
  /** The verified server; empty where the hop is plaintext. */
  readonly peer?: string;
}

export interface UpstreamFailure {
  readonly kind: "failed";
  /** Stable: a metric label, and what the client is told. */
  readonly reason: string;
  /** For the log; names hosts and addresses. */
  readonly message: string;
}

/** Why there is no connection: the dialler's reason as code. */
export class UpstreamError extends MeshError {}
