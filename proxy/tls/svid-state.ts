import type { Moment } from "../../net/moment.ts";
import type { Svid } from "./secure-context-source.ts";

/** The lifetime of the current certificate. */
export interface HeldSvid {
  readonly notAfterMs: number;
  /** When it is replaced, if nothing else happens. */
  readonly halfLife: Moment;
}

/**
 * Whether peers accept the current certificate. `superseded`: they do, but another root signs new certificates.
 * `refused`: it leads to no root of the trust bundle. `revoked`: it, or an authority of its chain, is revoked; another
 * certificate helps. `identity_revoked`: its identity or its pod is; the authority issues no other one until that is lifted.
 */
export type SvidFit = "current" | "superseded" | "refused" | "revoked" | "identity_revoked";

/** Whether peers accept a certificate that fits so. */
export function isAccepted(fit: SvidFit): fit is "current" | "superseded" {
  return fit === "current" || fit === "superseded";
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
  | { readonly kind: "resting"; readonly held: HeldSvid; readonly fit: SvidFit; readonly renewAt: Moment }
  | { readonly kind: "stopped"; readonly held: HeldSvid | undefined };

/** Share of the lifetime after which a certificate is replaced, and its jitter. */
const ROTATE_AT = 0.5;
const ROTATE_JITTER = 0.1;
/** The shortest interval, even for an authority that issues very short-lived certificates. */
const MIN_REST_MS = 1000;
/**
 * Share of the remaining lifetime over which the mesh replaces certificates of a superseded root. At 24 h this is ten
 * times the usual rate for one to two hours.
 */
const SUPERSEDED_WITHIN = 0.1;
/** The longest wait between attempts while the certificate is accepted, and while another one would help at once. */
const RETRY_WITHIN_MS = 60_000;
const RETRY_SOON_MS = 5000;
/** Attempts do not come ever faster at the end of a certificate: an authority that refuses at once needs no more of them. */
const RETRY_LEAST_MS = 1000;

/**
 * How long a certificate received now is used: half the remaining lifetime ± a tenth of that half, so that workloads
 * started together do not renew together. Measured from receipt: `notBefore` is backdated.
 */
export function decideRotation({ notAfterMs }: Pick<Svid, "notAfterMs">, receivedAtMs: number, share: number): number {
  const leftMs = notAfterMs - receivedAtMs;
  return Math.max(leftMs * ROTATE_AT * (1 + ROTATE_JITTER * (2 * share - 1)), MIN_REST_MS);
}

/**
 * How long a certificate of a superseded root is still used. Peers accept it while its root is in the trust bundle, so
 * the mesh's renewals are spread over a part of its remaining lifetime; a root may be withdrawn soon after.
 */
export function decideSupersededRotation(notAfterMs: number, nowMs: number, share: number): number {
  return Math.max(0, notAfterMs - nowMs) * SUPERSEDED_WITHIN * share;
}

/**
 * The longest wait before the next attempt. With a certificate that peers accept: a tenth of its remaining lifetime, so
 * that several attempts fit, and at most a minute, so that a mesh returns to its authority spread over a minute. An
 * authority that refuses an identity is not asked more often either.
 */
export function retryCap(held: HeldSvid | undefined, fit: SvidFit, nowMs: number): number {
  if (fit === "identity_revoked") return RETRY_WITHIN_MS;
  const isUsable = held !== undefined && held.notAfterMs > nowMs && isAccepted(fit);
  if (!isUsable) return RETRY_SOON_MS;
  return Math.max(RETRY_LEAST_MS, Math.min((held.notAfterMs - nowMs) / 10, RETRY_WITHIN_MS));
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
