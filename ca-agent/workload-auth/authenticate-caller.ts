import type { PeerContext, VerifiedPeer } from "../../mesh/api/peer-context.ts";
import { type SpiffeId, spiffeIdParts, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { RevocableCaller, RevokedCaller } from "../revocation/live-revocations.ts";
import type { PodName } from "../revocation/pod-name.ts";
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
  /** What of a caller is revoked. @default nothing */
  readonly findRevoked?: (caller: RevocableCaller) => RevokedCaller | undefined;
  /** The pods that a certificate is known to be of, or whose address its caller has. @default none are known */
  readonly findPods?: (peer: VerifiedPeer) => readonly PodName[];
}

/** Why a caller is not authenticated. Stable: it is a metric label. */
export type CallerRefusal =
  | TokenRefusal
  | "no_token"
  | "other_identity"
  | "revoked_identity"
  | "revoked_certificate"
  | "revoked_pod";

export type CallerVerdict =
  | {
      readonly kind: "authenticated";
      readonly identity: SpiffeId;
      readonly by: "certificate" | "token";
      /** That of the token. */
      readonly pod?: BoundPod;
      /** The certificate that is renewed. */
      readonly renewed?: VerifiedPeer;
    }
  | {
      readonly kind: "refused";
      readonly reason: CallerRefusal;
      readonly message: string;
    }
  | { readonly kind: "unavailable"; readonly reason: TokenFault; readonly message: string };

const BEARER = /^Bearer +([^\s,]+)$/i;

/**
 * Decides who calls. As in Istio, a workload certificate that the TLS handshake has verified comes first: it renews
 * itself even when the token can no longer be used. Without one, or with a revoked one, the bearer token decides: so a pod
 * whose certificate was stolen gets another one, and the thief none. Throws a CaError if a request for renewal cannot be
 * read.
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
    const message = `the call has no bearer token, and no certificate authenticates it: ${renewing.message}`;
    return { kind: "refused", reason: renewing.reason, message };
  }
  const verdict = await deps.authenticator.authenticate(token, peer.address);
  if (verdict.kind !== "authenticated") return verdict;
  const { identity, pod } = verdict;
  const { namespace } = spiffeIdParts(identity);
  const revoked = deps.findRevoked?.({ identity, pods: pod === undefined ? [] : [{ namespace, ...pod }] });
  return revoked === undefined ? { ...verdict, by: "token" } : refuseRevoked(revoked, identity);
}

interface Unusable {
  readonly kind: "unusable";
  /** Of a call that has no token either. */
  readonly reason: CallerRefusal;
  readonly message: string;
}

/** A certificate of another trust domain authenticates no caller here: that domain has its own authority. */
function findRenewing(peer: PeerContext, deps: AuthenticateCallerDeps): VerifiedPeer | Unusable {
  const unusable = (message: string): Unusable => ({ kind: "unusable", reason: "no_token", message });
  if (peer.kind === "anonymous") return unusable(peer.reason);
  const { identity, notAfterMs, address, certificate } = peer;
  if (deps.clock.now() > notAfterMs) return unusable(`the certificate of ${identity} has expired`);
  if (spiffeIdParts(identity).trustDomain !== deps.trustDomain) {
    return unusable(`${identity} is not of the trust domain ${deps.trustDomain}`);
  }
  if (deps.mayRenew?.(identity, address) === false) return unusable(`no pod of ${identity} has the address ${address}`);
  const { serialNumber } = certificate;
  const revoked = deps.findRevoked?.({ identity, serialNumber, pods: deps.findPods?.(peer) ?? [] });
  return revoked === undefined ? peer : { ...refuseRevoked(revoked, identity), kind: "unusable" };
}

/** A certificate renews itself and nothing else: a request for another name is refused, not signed for this one. */
function decideRenewal(renewed: VerifiedPeer, csrPem: string): CallerVerdict {
  const { identity } = renewed;
  const requested = readRequestedNames(csrPem).uris;
  if (requested.every((uri) => uri === identity)) {
    return { kind: "authenticated", identity, by: "certificate", renewed };
  }
  const shown = JSON.stringify(requested).slice(0, 300);
  const message = `the certificate of ${identity} cannot be renewed for ${shown}`;
  return { kind: "refused", reason: "other_identity", message };
}

function refuseRevoked(revoked: RevokedCaller, identity: SpiffeId) {
  const what = {
    identity: `the identity ${identity}`,
    certificate: `a certificate of ${identity}`,
    pod: `a pod of ${identity}`,
  }[revoked.kind];
  const which = revoked.kind === "pod" ? ` (${revoked.pod})` : "";
  return { kind: "refused", reason: `revoked_${revoked.kind}`, message: `${what}${which} is revoked` } as const;
}
