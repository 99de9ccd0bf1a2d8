import type { X509Certificate } from "node:crypto";
import type { FederatedRoots, PeerTrust } from "../../mesh/policy/authentication/peer-trust.ts";
import type { RevocationIndex } from "../../mesh/policy/authentication/revocations.ts";
import { AUTHORITY_SOURCES, type TrustSourceName } from "../../mesh/policy/authentication/trust-readings.ts";
import type { TrustAnchors } from "./trust-anchors.ts";

/** What of a bundle decides whether a chain is trusted: everything but the revocations. */
export type Authorities = Pick<PeerTrust, "roots" | "trustDomains" | "federated">;

/** Without the rest of the bundle, which would stay in memory as long as a connection that was verified by it. */
export function authoritiesOf({ roots, trustDomains, federated }: PeerTrust): Authorities {
  return { roots, trustDomains, ...(federated !== undefined && { federated }) };
}

/** By reference: `keepUnchanged` has kept the lists in which nothing has changed. */
export function hasSameAuthorities(one: Authorities, other: Authorities): boolean {
  return one.roots === other.roots && one.trustDomains === other.trustDomains && one.federated === other.federated;
}

/**
 * The received bundle, with each part that is equal taken from the one that is held. If all are, that one itself. So a
 * part that has changed is recognised by reference, however often the others change.
 */
export function keepUnchanged(received: TrustAnchors, held: TrustAnchors): TrustAnchors {
  const roots = areSameCertificates(received.roots, held.roots) ? held.roots : received.roots;
  const trustDomains = areSameTexts(received.trustDomains, held.trustDomains)
    ? held.trustDomains
    : received.trustDomains;
  const federated = areSameDomains(received.federated, held.federated) ? held.federated : received.federated;
  const revocations = areSameRevocations(received, held) ? held.revocations : received.revocations;
  const isSigningRootKept = received.signingRoot?.fingerprint256 === held.signingRoot?.fingerprint256;
  const isKept =
    hasSameAuthorities({ roots, trustDomains, ...(federated && { federated }) }, held) &&
    revocations === held.revocations &&
    isSigningRootKept;
  if (isKept) return held;
  const { signingRoot } = received;
  return {
    roots,
    trustDomains,
    ...(federated !== undefined && { federated }),
    ...(revocations !== undefined && { revocations }),
    ...(signingRoot !== undefined && { signingRoot }),
  };
}

/** What is taken of a bundle. */
export interface Taken {
  readonly trust: TrustAnchors;
  /** Whether something else is held than the received bundle contains. */
  readonly isPartial: boolean;
  /** The sources of which two states are mixed now. */
  readonly mixed: readonly TrustSourceName[];
}

/**
 * What is taken of a bundle by a control plane that is behind in some of its sources. It may add a revocation and lift none,
 * and its authorities are not taken at all: one of them may have been retired.
 */
export function takeKnown(received: TrustAnchors, held: TrustAnchors, behind: readonly TrustSourceName[]): Taken {
  const isAuthorityBehind = behind.some((source) => AUTHORITY_SOURCES.includes(source));
  const areRevocationsBehind = behind.some((source) => REVOKING.includes(source));
  const { revocations: _, ...authorities } = isAuthorityBehind ? held : received;
  const revocations = areRevocationsBehind ? joinRevocations(received, held) : received.revocations;
  const trust = { ...authorities, ...(revocations !== undefined && { revocations }) };
  const isPartial = behind.length > 0 && keepUnchanged(trust, received) !== received;
  const hasAdded = areRevocationsBehind && !areSameRevocations(trust, held);
  return { trust, isPartial, mixed: hasAdded ? behind.filter((source) => REVOKING.includes(source)) : [] };
}

const REVOKING: readonly TrustSourceName[] = ["revocations", "lists"];

/** Those that are held stay. They do not grow without an end, whatever is received. */
function joinRevocations(received: TrustAnchors, held: TrustAnchors): RevocationIndex | undefined {
  if (held.revocations === undefined) return received.revocations;
  const joined = held.revocations.joinedWith(received.revocations);
  return joined.size <= MAX_JOINED ? joined : held.revocations;
}

/** Of revocations: those of two control planes whose lists are full, with an identity in each trust domain of the mesh. */
const MAX_JOINED = 250_000;

function areSameRevocations({ revocations }: TrustAnchors, held: TrustAnchors): boolean {
  if (revocations === undefined) return held.revocations === undefined || held.revocations.size === 0;
  return revocations.equals(held.revocations);
}

function areSameDomains(some: readonly FederatedRoots[] = [], others: readonly FederatedRoots[] = []): boolean {
  return (
    some.length === others.length &&
    some.every(({ trustDomain, roots }, index) => {
      const other = others[index];
      return trustDomain === other?.trustDomain && areSameCertificates(roots, other.roots);
    })
  );
}

function areSameCertificates(some: readonly X509Certificate[], others: readonly X509Certificate[]): boolean {
  const fingerprints = (certificates: readonly X509Certificate[]) => certificates.map((one) => one.fingerprint256);
  return areSameTexts(fingerprints(some), fingerprints(others));
}

function areSameTexts(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((text, index) => text === others[index]);
}
