import type { Duplex } from "node:stream";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { RequestMeter } from "../telemetry/request-meter.ts";
import type { CutReason } from "./relay.ts";

/** Opens connections to services by the mesh's policy: the gateway itself does not deal with TLS. */
export interface UpstreamDialer {
  dial(target: HostTarget, signal: AbortSignal): Promise<UpstreamConnection | UpstreamFailure>;
}

/** A connection on which nothing has been sent, with a verified server if the policy requires that. */
export interface UpstreamConnection {
  readonly kind: "connected";
  readonly socket: Duplex;
  /**
   * Whether it would be dialled the same way now: own certificate, trust and destination have not changed. Otherwise it
   * finishes its request and is then closed.
   */
  readonly isCurrent: () => boolean;
  /**
   * Calls the listener when the destination has changed, so that an idle connection is closed without waiting for a
   * request.
   */
  readonly onChange?: (listener: () => void) => void;
  /** Why the proxy has cut it; `undefined`: it has not. */
  readonly cutReason?: () => CutReason | undefined;
  /** Its application does not respond: other endpoints are preferred for a while. */
  readonly avoid?: () => void;
  /** Counts the requests on it; absent: the requests count by their target. */
  readonly meter?: RequestMeter;
  /** `ip:port`, for the access log. */
  readonly address?: string;
  /** The verified server; empty if the hop is plaintext. */
  readonly peer?: string;
}

export interface UpstreamFailure {
  readonly kind: "failed";
  /** Stable: a metric label, and part of the local reply. */
  readonly reason: string;
  /** For the log; names hosts and addresses. */
  readonly message: string;
}

/** Why there is no connection, with the dialler's reason as code. */
export class UpstreamError extends MeshError {}
