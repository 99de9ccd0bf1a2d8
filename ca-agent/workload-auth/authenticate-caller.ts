import type { PeerContext, VerifiedPeer } from "../../mesh/api/peer-context.ts";
import { type PodTag, readPodTag } from "../../mesh/identity/pod-tag.ts";
import { type SpiffeId, spiffeIdParts, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { Clock } from "../../mesh/runtime.ts";
import type { RevocableCaller, RevokedCaller } from "../revocation/live-revocations.ts";
import { formatPodName, type PodName, type TagPod } from "../revocation/pod-name.ts";
import { readRequestedNames } from "../x509/requested-names.ts";
import type { Authenticator, TokenFault, TokenRefusal, TokenVerdict } from "./authenticator.ts";

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
  /** What of a caller is revoked. @default nothing */
  readonly findRevoked?: (caller: RevocableCaller) => RevokedCaller | undefined;
  /** The pods of an identity that have this address and have not ended. Absent: it is not known which pods there are. */
  readonly findPods?: (identity: SpiffeId, address: string) => readonly PodName[];
  readonly tagPod: TagPod;
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
      /** Of the token, or else of the address. */
      readonly pod?: PodName;
      /** What its certificate is given to revoke it with its pod. Absent: it has no pod. */
      readonly podTag?: PodTag;
    }
  | {
      readonly kind: "refused";
      readonly reason: CallerRefusal;
      readonly message: string;
    }
  | { readonly kind: "unavailable"; readonly reason: TokenFault; readonly message: string };

const BEARER = /^Bearer +([^\s,]+)$/i;

/**
 * Who calls, and which pod that is. A workload certificate of this mesh that the TLS handshake has verified comes first: it
 * renews itself even when the token can no longer be used. Without one, or with a revoked one, the bearer token decides: so
 * a pod whose certificate was stolen gets another one, and the thief none. Throws a CaError if a request for renewal cannot
 * be read.
 */
export async function authenticateCaller(
  { header, peer, csrPem }: CallEvidence,
  deps: AuthenticateCallerDeps,
): Promise<CallerVerdict> {
  const renewing = findRenewing(peer, deps);
  if (renewing.kind === "renewing") return decideRenewal(renewing, csrPem);
  // Repeated headers arrive joined by commas; such a value is not a token.
  const [, token] = BEARER.exec(header.get("authorization") ?? "") ?? [];
  if (token === undefined) {
    const message = `the call has no bearer token, and no certificate authenticates it: ${renewing.message}`;
    return { kind: "refused", reason: renewing.reason, message };
  }
  const verdict = await deps.authenticator.authenticate(token, peer.address);
  return verdict.kind === "authenticated" ? decideToken(verdict, peer.address, deps) : verdict;
}

/** A token of no pod is that of the pod at the address. Another pod's token does not help a revoked pod. */
function decideToken(
  { identity, pod: bound }: Extract<TokenVerdict, { kind: "authenticated" }>,
  address: string,
  { findPods, findRevoked, tagPod }: AuthenticateCallerDeps,
): CallerVerdict {
  const pods = findPods?.(identity, address) ?? [];
  const only = pods.length === 1 ? pods[0] : undefined;
  const pod = bound === undefined ? only : { namespace: spiffeIdParts(identity).namespace, ...bound };
  const podTag = pod && tagPod(pod);
  const isThere = pods.some((one) => tagPod(one) === podTag);
  const revoked = findRevoked?.({ identity, pods: [pod ?? [], isThere ? [] : pods].flat() });
  if (revoked !== undefined) return refuseRevoked(revoked, identity);
  return { kind: "authenticated", identity, by: "token", ...(pod && { pod }), ...(podTag && { podTag }) };
}

/** A certificate that may renew itself, and whose it is. */
interface Renewing extends Owner {
  readonly kind: "renewing";
  readonly identity: SpiffeId;
}

interface Unusable {
  readonly kind: "unusable";
  /** Of a call that has no token either. */
  readonly reason: CallerRefusal;
  readonly message: string;
}

/** A certificate of another trust domain authenticates no caller here: that domain has its own authority. */
function findRenewing(peer: PeerContext, deps: AuthenticateCallerDeps): Renewing | Unusable {
  const unusable = (message: string): Unusable => ({ kind: "unusable", reason: "no_token", message });
  if (peer.kind === "anonymous") return unusable(peer.reason);
  const { identity, notAfterMs } = peer;
  if (deps.clock.now() > notAfterMs) return unusable(`the certificate of ${identity} has expired`);
  if (spiffeIdParts(identity).trustDomain !== deps.trustDomain) {
    return unusable(`${identity} is not of the trust domain ${deps.trustDomain}`);
  }
  const { serialNumber } = peer.certificate;
  const owner = findOwner(peer, deps);
  const pods = typeof owner === "string" || owner.pod === undefined ? [] : [owner.pod];
  const revoked = deps.findRevoked?.({ identity, serialNumber, pods });
  if (revoked !== undefined) return { ...refuseRevoked(revoked, identity), kind: "unusable" };
  return typeof owner === "string" ? unusable(owner) : { kind: "renewing", identity, ...owner };
}

/** The pod that a certificate was issued to. */
interface Owner {
  readonly podTag: PodTag;
  /** Absent: it is not known which pods there are. */
  readonly pod?: PodName;
}

/**
 * The pod of a certificate that would renew itself, or why it may not. A stolen key is not renewed from elsewhere, nor that
 * of a pod that has ended. A revoked pod must not get a certificate that names another one, or none: so the pod at the
 * caller's address must be the one in the certificate, and where several share the address, a token has to tell them apart.
 */
function findOwner(
  { identity, address, certificate }: VerifiedPeer,
  { findPods, tagPod }: AuthenticateCallerDeps,
): Owner | string {
  const podTag = readPodTag(certificate.serialNumber);
  if (findPods === undefined) {
    return podTag === undefined ? `an earlier version or another authority has issued that of ${identity}` : { podTag };
  }
  const [pod, ...others] = findPods(identity, address);
  if (pod === undefined) return `no pod of ${identity} has the address ${address}`;
  if (others.length > 0) return `several pods of ${identity} have the address ${address}`;
  const tagOfAddress = tagPod(pod);
  if (podTag === undefined || podTag === tagOfAddress) return { podTag: tagOfAddress, pod };
  return `it is not that of the pod ${formatPodName(pod)}, which has the address ${address}`;
}

/** A certificate renews itself and nothing else: a request for another name is refused, not signed for this one. */
function decideRenewal({ identity, kind: _, ...owner }: Renewing, csrPem: string): CallerVerdict {
  const requested = readRequestedNames(csrPem).uris;
  if (requested.every((uri) => uri === identity)) {
    return { kind: "authenticated", identity, by: "certificate", ...owner };
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
