import type { Svid } from "./secure-context-source.ts";

/** The lifetime of the current certificate. */
export interface HeldSvid {
  readonly receivedAtMs: number;
  readonly notAfterMs: number;
}

/** The state of the certificate's manager. `held` is set from the first certificate on, also after its expiry. */
export type SvidState =
  | { readonly kind: "requesting"; readonly held: HeldSvid | undefined; readonly failures: number }
  | {
      readonly kind: "retrying";
      readonly held: HeldSvid | undefined;
      readonly failures: number;
      readonly waitMs: number;
      /** Why the last attempt failed. */
      readonly reason: string;
    }
  | { readonly kind: "resting"; readonly held: HeldSvid; readonly rotateAtMs: number }
  | { readonly kind: "stopped"; readonly held: HeldSvid | undefined };

/** Share of the lifetime after which a certificate is replaced, and its jitter. */
const ROTATE_AT = 0.5;
const ROTATE_JITTER = 0.1;
/** The shortest interval, even for an authority that issues very short-lived certificates. */
const MIN_REST_MS = 1000;

/**
 * When a certificate received now is replaced: at half the remaining lifetime ± a tenth of that half, so that workloads
 * started together do not renew together. Measured from receipt: `notBefore` is backdated.
 */
export function decideRotation(svid: Svid, receivedAtMs: number, share: number): number {
  const leftMs = svid.notAfterMs - receivedAtMs;
  const restMs = leftMs * ROTATE_AT * (1 + ROTATE_JITTER * (2 * share - 1));
  return receivedAtMs + Math.max(restMs, MIN_REST_MS);
}

/** The longest wait before the next attempt: a tenth of the remaining lifetime, so that several attempts fit. */
export function retryCap(held: HeldSvid | undefined, nowMs: number): number | undefined {
  return held === undefined || held.notAfterMs <= nowMs ? undefined : (held.notAfterMs - nowMs) / 10;
}

/** Whether there is a valid certificate, and if not, the reason as text for the log and for readiness. */
export type SvidReadiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export function describeReadiness(state: SvidState, nowMs: number): SvidReadiness {
  const { held } = state;
  if (held !== undefined && nowMs <= held.notAfterMs) return { ready: true };
  const failure = state.kind === "retrying" ? `: ${state.reason}` : "";
  if (held === undefined) return { ready: false, reason: `there is no certificate yet${failure}` };
  const times = `ended at ${formatTime(held.notAfterMs)}, it is ${formatTime(nowMs)}`;
  return { ready: false, reason: `the certificate has expired (${times}) and could not be renewed${failure}` };
}

function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}
