import type { PeerContext, VerifiedPeer } from "../../mesh/api/peer-context.ts";
import { type SpiffeId, spiffeIdParts, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { readRequestedNames } from "../x509/requested-names.ts";
import type { Authenticator, BoundPod, TokenFault, TokenRefusal } from "./authenticator.ts";

/** What a call for a certificate brings. */
export interface CallEvidence {
  readonly header: Headers;
  /** The peer of the TLS connection. */
  readonly peer: PeerContext;
  readonly csrPem: string;
}

export interface AuthenticateCallerDeps {
  readonly authenticator: Authenticator;
  /** Only certificates of this domain renew themselves. */
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  /**
   * Whether the workload with this certificate may still be there. A stolen key is not renewed from elsewhere, nor that of
   * a pod that has ended. @default nothing is known, and every certificate may renew itself
   */
  readonly mayRenew?: (identity: SpiffeId, address: string) => boolean;
}

export type CallerVerdict =
  | {
      readonly kind: "authenticated";
      readonly identity: SpiffeId;
      readonly by: "certificate" | "token";
      readonly pod?: BoundPod;
    }
  | {
      readonly kind: "refused";
      readonly reason: TokenRefusal | "no_token" | "other_identity";
      readonly message: string;
    }
  | { readonly kind: "unavailable"; readonly reason: TokenFault; readonly message: string };

const BEARER = /^Bearer +([^\s,]+)$/i;

/**
 * Decides who calls. As in Istio, a workload certificate that the TLS handshake has verified comes first: it renews
 * itself even when the token can no longer be used. Without one the bearer token decides. Throws a CaError if a request
 * for renewal cannot be read.
 */
export async function authenticateCaller(
  { header, peer, csrPem }: CallEvidence,
  deps: AuthenticateCallerDeps,
): Promise<CallerVerdict> {
  const renewing = findRenewing(peer, deps);
  if (renewing.kind === "verified") return decideRenewal(renewing, csrPem);
  // Repeated headers arrive joined by commas; such a value is not a token.
  const [, token] = BEARER.exec(header.get("authorization") ?? "") ?? [];
  if (token === undefined) {
    const message = `the call has no bearer token, and no certificate authenticates it: ${renewing.reason}`;
    return { kind: "refused", reason: "no_token", message };
  }
  const verdict = await deps.authenticator.authenticate(token, peer.address);
  return verdict.kind === "authenticated" ? { ...verdict, by: "token" } : verdict;
}

/** A certificate of another trust domain authenticates no caller here: that domain has its own authority. */
function findRenewing(peer: PeerContext, { trustDomain, clock, mayRenew }: AuthenticateCallerDeps): PeerContext {
  if (peer.kind === "anonymous") return peer;
  const { identity, notAfterMs, address } = peer;
  const anonymous = (reason: string): PeerContext => ({ kind: "anonymous", reason, address });
  if (clock.now() > notAfterMs) return anonymous(`the certificate of ${identity} has expired`);
  if (spiffeIdParts(identity).trustDomain !== trustDomain) {
    return anonymous(`${identity} is not of the trust domain ${trustDomain}`);
  }
  if (mayRenew?.(identity, address) === false) return anonymous(`no pod of ${identity} has the address ${address}`);
  return peer;
}

/** A certificate renews itself and nothing else: a request for another name is refused, not signed for this one. */
function decideRenewal({ identity }: VerifiedPeer, csrPem: string): CallerVerdict {
  const requested = readRequestedNames(csrPem).uris;
  if (requested.every((uri) => uri === identity)) return { kind: "authenticated", identity, by: "certificate" };
  const shown = JSON.stringify(requested).slice(0, 300);
  const message = `the certificate of ${identity} cannot be renewed for ${shown}`;
  return { kind: "refused", reason: "other_identity", message };
}
