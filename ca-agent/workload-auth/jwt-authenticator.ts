import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type LocalJWKSet } from "jose";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { BACKDATE_MS } from "../authority/self-signed-root.ts";
import { type BoundPod, refused, type TokenRefusal, type TokenVerdict } from "./authenticator.ts";
import { createJwksFile } from "./jwks-file.ts";
import { identityFromClaims, readMember } from "./service-account-claims.ts";
import { MAX_TOKEN_BYTES } from "./token-claims.ts";

export interface JwtAuthenticatorOptions {
  /** Public keys (RFC 7517); reloaded when the file changes. */
  readonly jwksFile: string;
  readonly issuer: string;
  /** @default "istio-ca" */
  readonly audience?: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * The algorithms of Kubernetes API servers. Never `none`, never HMAC: its secret would be our public key (RFC 8725,
 * section 2.1).
 */
const ALGORITHMS = ["RS256", "ES256"];

/** An Authenticator to which the caller does not matter. */
export interface TokenChecker {
  authenticate(token: string): Promise<TokenVerdict>;
}

/** Authenticates service account tokens with a JWKS file: for machines without a Kubernetes API. */
export function createJwtAuthenticator(options: JwtAuthenticatorOptions): TokenChecker {
  const file = createJwksFile(options.jwksFile, options.log);
  return {
    authenticate: async (token) => {
      const unfit = findTokenFault(token);
      if (unfit !== undefined) return unfit;
      const keys = await file.current();
      if (keys === undefined) return refused("no_keys", `${options.jwksFile} has not been readable yet`);
      return await verifyToken(token, keys, options);
    },
  };
}

/** Faults that are found before any key is used. */
function findTokenFault(token: string): TokenVerdict | undefined {
  if (token.length > MAX_TOKEN_BYTES) return refused("too_large", `the token has more than ${MAX_TOKEN_BYTES} bytes`);
  try {
    const { alg } = decodeProtectedHeader(token);
    if (typeof alg !== "string") return refused("malformed", "the token's header names no algorithm");
    if (alg.toLowerCase() === "none") return refused("unsigned", "the token is not signed");
    if (ALGORITHMS.includes(alg)) return undefined;
    const shown = JSON.stringify(alg.slice(0, 20));
    return refused("algorithm_not_allowed", `the token is signed with ${shown}, not with ${ALGORITHMS.join(" or ")}`);
  } catch {
    return refused("malformed", "the token is not a signed JWT");
  }
}

async function verifyToken(token: string, keys: LocalJWKSet, options: JwtAuthenticatorOptions): Promise<TokenVerdict> {
  try {
    const { payload } = await jwtVerify(token, keys, {
      algorithms: ALGORITHMS,
      issuer: options.issuer,
      audience: options.audience ?? "istio-ca",
      requiredClaims: ["exp", "sub"],
      currentDate: new Date(judgedAtMs(token, options.clock.now())),
    });
    const verdict = identityFromClaims(payload, options.trustDomain);
    const pod = readBoundPod(payload["kubernetes.io"]);
    return verdict.kind === "authenticated" && pod !== undefined ? { ...verdict, pod } : verdict;
  } catch (caught) {
    return refusalFromError(caught);
  }
}

/**
 * As of when a token is judged. One that was issued just now begins in the future of a clock that is behind, as ours may be
 * by an hour, and no workload could start; it is judged as of its begin, by which it ends no later. Nobody gains by it: a
 * token is not presented before it is issued. What this reads is not verified yet.
 */
function judgedAtMs(token: string, nowMs: number): number {
  const { nbf } = decodeJwt(token);
  const beginsAtMs = typeof nbf === "number" ? Math.ceil(nbf) * 1000 : nowMs;
  return beginsAtMs > nowMs && beginsAtMs <= nowMs + BACKDATE_MS ? beginsAtMs : nowMs;
}

/** Other issuers than Kubernetes may bind no token to a pod, or know no uids. */
function readBoundPod(claim: unknown): BoundPod | undefined {
  const pod = readMember(claim, "pod");
  const [name, uid] = [readMember(pod, "name"), readMember(pod, "uid")];
  if (typeof name !== "string" || name === "") return undefined;
  return typeof uid === "string" && uid !== "" ? { name, uid } : { name };
}

const CLAIM_REFUSAL: Readonly<Record<string, TokenRefusal>> = {
  exp: "no_expiry",
  iss: "wrong_issuer",
  aud: "wrong_audience",
  sub: "not_a_service_account",
  nbf: "not_yet_valid",
};

/** Any error of the library is a refusal: an unknown error must not accept the token. */
function refusalFromError(caught: unknown): TokenVerdict {
  if (caught instanceof errors.JWTExpired) return refused("expired", "the token has expired");
  if (caught instanceof errors.JWTClaimValidationFailed) {
    const reason = Object.hasOwn(CLAIM_REFUSAL, caught.claim) ? CLAIM_REFUSAL[caught.claim] : undefined;
    return refused(reason ?? "malformed", caught.message);
  }
  if (caught instanceof errors.JWSSignatureVerificationFailed) {
    return refused("bad_signature", "the token's signature is invalid");
  }
  if (caught instanceof errors.JWKSNoMatchingKey || caught instanceof errors.JWKSMultipleMatchingKeys) {
    return refused("unknown_key", "the token's key ID is unknown");
  }
  if (caught instanceof errors.JOSEAlgNotAllowed) return refused("algorithm_not_allowed", caught.message);
  return refused("malformed", caught instanceof Error ? caught.message : String(caught));
}
