import type { Svid } from "./secure-context-source.ts";

/** The certificate that is in use, as far as its life is concerned. */
export interface HeldSvid {
  readonly receivedAtMs: number;
  readonly notAfterMs: number;
}

/** What the certificate's manager is doing. `held` is there from the first certificate on, also after it has ended. */
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

/** Share of the life after which a certificate is replaced, and how far both ways that is spread. */
const ROTATE_AT = 0.5;
const ROTATE_JITTER = 0.1;
/** Even an authority that issues certificates without a life to speak of is not asked more often. */
const MIN_REST_MS = 1000;

/**
 * When a certificate that was received now is replaced: at half of the time that is left, give or take a tenth of that
 * half, so that workloads started together do not come back together. Measured from receipt: `notBefore` lies back.
 */
export function decideRotation(svid: Svid, receivedAtMs: number, share: number): number {
  const leftMs = svid.notAfterMs - receivedAtMs;
  const restMs = leftMs * ROTATE_AT * (1 + ROTATE_JITTER * (2 * share - 1));
  return receivedAtMs + Math.max(restMs, MIN_REST_MS);
}

/** The longest wait before the next attempt: a tenth of the life that is left, so that several fit in. */
export function retryCap(held: HeldSvid | undefined, nowMs: number): number | undefined {
  return held === undefined || held.notAfterMs <= nowMs ? undefined : (held.notAfterMs - nowMs) / 10;
}

/** Whether there is a certificate to work with, and if not, why, in a sentence for the log and for readiness. */
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
