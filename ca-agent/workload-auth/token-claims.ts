import { decodeJwt, decodeProtectedHeader, type JWTPayload } from "jose";
import type { SpiffeId, TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { type BoundPod, type Refusal, refused } from "./authenticator.ts";
import { identityFromClaims, readMember } from "./service-account-claims.ts";

/** What a token claims. Nobody has verified its signature yet. */
export interface TokenClaims {
  readonly identity: SpiffeId;
  readonly pod: BoundPod;
  readonly issuedAtMs: number | undefined;
  readonly expiresAtMs: number;
}

export interface ExpectedClaims {
  readonly audience: string;
  readonly trustDomain: TrustDomain;
  readonly nowMs: number;
}

/** Kubernetes' tokens have 1 to 2 KB. */
export const MAX_TOKEN_BYTES = 16 * 1024;
/** How far our clock may be ahead before an expired token is no longer shown to the API, which decides. */
const CLOCK_TOLERANCE_MS = 2 * 3_600_000;
const THREE_PARTS = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const UID = /^[\w-]{1,64}$/;
const MAX_POD_NAME = 253;

/**
 * The faults of a token that show without its key: such a token is not worth a question to the API server. The rest is
 * only a claim.
 */
export function readTokenClaims(
  token: string,
  expected: ExpectedClaims,
): { readonly kind: "plausible"; readonly claims: TokenClaims } | Refusal {
  if (token.length > MAX_TOKEN_BYTES) return refused("too_large", `the token has more than ${MAX_TOKEN_BYTES} bytes`);
  const payload = decode(token);
  if (payload === "malformed") return refused("malformed", "the token is not a signed JWT");
  if (payload === "unsigned") return refused("unsigned", "the token is not signed");
  const expiresAtMs = toMs(payload.exp);
  if (expiresAtMs === undefined) return refused("no_expiry", "the token has no expiry: use a projected token");
  if (expiresAtMs + CLOCK_TOLERANCE_MS < expected.nowMs) {
    return refused(
      "expired",
      `the token expired at ${formatTime(expiresAtMs)}, it is now ${formatTime(expected.nowMs)}`,
    );
  }
  if (![payload.aud].flat().includes(expected.audience)) {
    return refused("wrong_audience", `the token is not for the audience ${expected.audience}`);
  }
  const identified = identityFromClaims(payload, expected.trustDomain);
  if (identified.kind !== "authenticated") return identified;
  const pod = readPod(readMember(payload["kubernetes.io"], "pod"));
  if (pod === undefined) return refused("not_bound_to_a_pod", NOT_BOUND);
  const { identity } = identified;
  return { kind: "plausible", claims: { identity, pod, expiresAtMs, issuedAtMs: toMs(payload.iat) } };
}

/** Such a token outlives every pod, and a client that has read it once is that account for as long. */
export const NOT_BOUND = "the token is not bound to a pod: use the projected token of the pod's volume";

/** A pod's name and uid as Kubernetes writes them; undefined for anything else. */
export function readPod(value: unknown): BoundPod | undefined {
  const name = readMember(value, "name");
  const uid = readMember(value, "uid");
  if (typeof name !== "string" || name === "" || name.length > MAX_POD_NAME) return undefined;
  return typeof uid === "string" && UID.test(uid) ? { name, uid } : undefined;
}

export function formatTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function decode(token: string): JWTPayload | "malformed" | "unsigned" {
  if (!THREE_PARTS.test(token)) return token.endsWith(".") ? "unsigned" : "malformed";
  try {
    const { alg } = decodeProtectedHeader(token);
    if (typeof alg !== "string") return "malformed";
    return alg.toLowerCase() === "none" ? "unsigned" : decodeJwt(token);
  } catch {
    return "malformed";
  }
}

/** A NumericDate (RFC 7519, section 2); undefined for what is no date. */
function toMs(seconds: unknown): number | undefined {
  const ms = typeof seconds === "number" ? seconds * 1000 : Number.NaN;
  return Math.abs(ms) <= 8.64e15 ? ms : undefined;
}
