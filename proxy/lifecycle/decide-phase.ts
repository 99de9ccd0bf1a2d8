import type { DrainConfig } from "../proxy-config.ts";

/** Who has asked the proxy to end. Times are monotonic, and those of the first request. */
export type EndRequest =
  | { readonly kind: "none" }
  /** The pod is ending (`/drain`, from a preStop hook). SIGTERM follows when the application has ended. */
  | { readonly kind: "drain"; readonly sinceMs: number }
  /** SIGTERM: the process has to end. The application may still run. */
  | { readonly kind: "stop"; readonly sinceMs: number }
  /** SIGTERM after `/drain`, or `/quitquitquit`: the application has ended, and the process has to. */
  | { readonly kind: "application_ended"; readonly sinceMs: number };

/** A proxy's way to its end. */
export type Phase =
  | { readonly kind: "serving" }
  /** Not ready any more, but still accepting: others have not heard of it yet. Each response is its connection's last. */
  | { readonly kind: "draining" }
  /** Nothing is accepted from other pods. The application shuts down, and may call others while it does. */
  | { readonly kind: "outbound_only" }
  | { readonly kind: "stopped"; readonly end: "idle" | "deadline" };

/** What still needs the proxy. */
export interface Usage {
  /** Connections of other pods on which something has been delivered. */
  readonly inbound: number;
  /** Connections of the application. */
  readonly outbound: number;
  /** Whether the application listens on a port. */
  readonly applicationListens: boolean;
  /** Whether any client has ever connected to this pod. */
  readonly hasServed: boolean;
}

export interface PhaseInput {
  readonly request: EndRequest;
  readonly nowMs: number;
  readonly usage: Usage;
  /** Since when nothing needs the proxy; `undefined`: something does. */
  readonly idleSinceMs: number | undefined;
  readonly config: DrainConfig;
}

/**
 * The phase of a proxy. It accepts connections for `acceptMs` after the request, because endpoints elsewhere still name
 * the pod. It ends when nothing needs it any more, at the latest at the deadline. After `/drain` alone it does not end:
 * kubelet would start it again while the application shuts down.
 */
export function decidePhase({ request, nowMs, usage, idleSinceMs, config }: PhaseInput): Phase {
  if (request.kind === "none") return { kind: "serving" };
  const elapsedMs = nowMs - request.sinceMs;
  if (elapsedMs < acceptMs(request, usage, config)) return { kind: "draining" };
  if (request.kind === "drain") return { kind: "outbound_only" };
  if (idleSinceMs !== undefined && nowMs - idleSinceMs >= quietMs(request, config)) {
    return { kind: "stopped", end: "idle" };
  }
  return elapsedMs < config.deadlineMs ? { kind: "outbound_only" } : { kind: "stopped", end: "deadline" };
}

/** A Job has no clients, and its pod ends when the proxy has ended. */
function acceptMs({ kind }: EndRequest, { hasServed }: Usage, config: DrainConfig): number {
  return kind === "application_ended" && !hasServed ? 0 : config.acceptMs;
}

/** An application that has closed its port may still call others, with pauses. */
function quietMs({ kind }: EndRequest, config: DrainConfig): number {
  return kind === "application_ended" ? 0 : config.acceptMs;
}

/**
 * Whether nothing needs the proxy. Connections alone are not enough: an application in its preStop hook has none, and
 * calls others when it ends. Its listening port shows that it still runs.
 */
export function isIdle({ inbound, outbound, applicationListens }: Usage): boolean {
  return inbound === 0 && outbound === 0 && !applicationListens;
}
