import { createHash, type X509Certificate } from "node:crypto";
import { readCertificateParts } from "../../identity/certificate-parts.ts";
import { type PodTag, readPodTag } from "../../identity/pod-tag.ts";
import { normalizeSerialNumber } from "../../identity/serial-number.ts";
import type { SpiffeId } from "../../identity/spiffe-id.ts";
import type { Revocations } from "../types.ts";

/** What of a peer is revoked. */
export type Revoked =
  | {
      readonly kind: "certificate";
      readonly serialNumber: string;
      /** Whether it is the peer's own, and not that of an authority of its path. */
      readonly isOwn: boolean;
    }
  | {
      /** The pod that the certificate was issued to. */
      readonly kind: "pod";
      readonly serialNumber: string;
    }
  | { readonly kind: "identity"; readonly identity: SpiffeId };

/** Revocations, ready to be looked up. Immutable. */
export interface RevocationIndex {
  /** Entries. Zero: nothing is revoked. */
  readonly size: number;
  /**
   * The first revoked certificate of a verified path, the root included, or else the revoked pod or identity. Names
   * nothing but what has been verified.
   * @param path leaf first, root last.
   * @param identity absent: a peer that is known by another name.
   */
  find(path: readonly X509Certificate[], identity?: SpiffeId): Revoked | undefined;
  /** Whether the other one revokes exactly the same. */
  equals(other: RevocationIndex | undefined): boolean;
  /** What one of the two revokes; this one itself if the other one adds nothing. */
  joinedWith(other: RevocationIndex | undefined): RevocationIndex;
}

/** Of one serial number: those of whom it is revoked. */
type RevokedIssuers = "any" | readonly string[];

/** Indexes what is revoked. A lookup costs no more with ten thousand entries than with one. */
export function indexRevocations({ certificates, identities, pods = [] }: Revocations): RevocationIndex {
  const bySerialNumber = new Map<string, RevokedIssuers>();
  for (const { serialNumber, issuer } of certificates) {
    const key = normalizeSerialNumber(serialNumber);
    bySerialNumber.set(key, addIssuer(bySerialNumber.get(key), issuer?.toLowerCase()));
  }
  return new Index(bySerialNumber, new Set(identities), new Set(pods));
}

/** For a log or a local reply. */
export function describeRevoked(revoked: Revoked): string {
  if (revoked.kind === "identity") return `the identity ${revoked.identity} is revoked`;
  const serialNumber = revoked.serialNumber.slice(0, SHOWN_DIGITS);
  if (revoked.kind === "pod") return `the pod of the certificate ${serialNumber} is revoked`;
  return revoked.isOwn
    ? `the certificate ${serialNumber} is revoked`
    : `the certificate ${serialNumber} of an authority in the peer's chain is revoked`;
}

/** A serial number has at most 20 octets (RFC 5280, section 4.1.2.2). */
const SHOWN_DIGITS = 40;

/**
 * SHA-256 of a name in DER, lower-case hexadecimal: how an entry names its issuer.
 * @param name with its tag and length, as in `CertificateParts`.
 */
export function hashIssuerName(name: Uint8Array): string {
  return createHash("sha256").update(name).digest("hex");
}

class Index implements RevocationIndex {
  readonly size: number;
  readonly #bySerialNumber: ReadonlyMap<string, RevokedIssuers>;
  readonly #identities: ReadonlySet<SpiffeId>;
  readonly #pods: ReadonlySet<PodTag>;

  constructor(
    bySerialNumber: ReadonlyMap<string, RevokedIssuers>,
    identities: ReadonlySet<SpiffeId>,
    pods: ReadonlySet<PodTag>,
  ) {
    this.#bySerialNumber = bySerialNumber;
    this.#identities = identities;
    this.#pods = pods;
    let size = identities.size + pods.size;
    for (const issuers of bySerialNumber.values()) size += issuers === "any" ? 1 : issuers.length;
    this.size = size;
  }

  find(path: readonly X509Certificate[], identity?: SpiffeId): Revoked | undefined {
    const revoked = this.#findCertificate(path) ?? this.#findPod(path[0]);
    if (revoked !== undefined) return revoked;
    return identity !== undefined && this.#identities.has(identity) ? { kind: "identity", identity } : undefined;
  }

  #findCertificate(path: readonly X509Certificate[]): Revoked | undefined {
    if (this.#bySerialNumber.size === 0) return undefined;
    for (const [depth, certificate] of path.entries()) {
      const serialNumber = normalizeSerialNumber(certificate.serialNumber);
      const issuers = this.#bySerialNumber.get(serialNumber);
      if (issuers !== undefined && isRevokedBy(issuers, certificate, path[depth + 1])) {
        return { kind: "certificate", serialNumber, isOwn: depth === 0 };
      }
    }
    return undefined;
  }

  /** Only a leaf is a pod's. */
  #findPod(leaf: X509Certificate | undefined): Revoked | undefined {
    if (this.#pods.size === 0 || leaf === undefined) return undefined;
    const serialNumber = normalizeSerialNumber(leaf.serialNumber);
    const tag = readPodTag(serialNumber);
    return tag !== undefined && this.#pods.has(tag) ? { kind: "pod", serialNumber } : undefined;
  }

  equals(other: RevocationIndex | undefined): boolean {
    if (other === undefined) return this.size === 0;
    return other instanceof Index && this.size === other.size && this.#isWithin(other);
  }

  joinedWith(other: RevocationIndex | undefined): RevocationIndex {
    if (!(other instanceof Index)) return this;
    const bySerialNumber = new Map(this.#bySerialNumber);
    for (const [serialNumber, issuers] of other.#bySerialNumber) {
      bySerialNumber.set(serialNumber, joinIssuers(bySerialNumber.get(serialNumber), issuers));
    }
    const identities = new Set([...this.#identities, ...other.#identities]);
    const joined = new Index(bySerialNumber, identities, new Set([...this.#pods, ...other.#pods]));
    return joined.equals(this) ? this : joined;
  }

  #isWithin(other: Index): boolean {
    for (const identity of this.#identities) if (!other.#identities.has(identity)) return false;
    for (const pod of this.#pods) if (!other.#pods.has(pod)) return false;
    for (const [serialNumber, issuers] of this.#bySerialNumber) {
      const others = other.#bySerialNumber.get(serialNumber);
      if (others === undefined || !areWithin(issuers, others)) return false;
    }
    return true;
  }
}

function addIssuer(issuers: RevokedIssuers | undefined, issuer: string | undefined): RevokedIssuers {
  if (issuer === undefined || issuers === "any") return "any";
  if (issuers === undefined) return [issuer];
  return issuers.includes(issuer) ? issuers : [...issuers, issuer];
}

function joinIssuers(some: RevokedIssuers | undefined, others: RevokedIssuers): RevokedIssuers {
  return others === "any" ? "any" : others.reduce<RevokedIssuers>(addIssuer, some ?? []);
}

function areWithin(issuers: RevokedIssuers, others: RevokedIssuers): boolean {
  if (issuers === "any" || others === "any") return issuers === others;
  return issuers.every((issuer) => others.includes(issuer));
}

/**
 * An issuer's name may be encoded in several ways: both the certificate's and its issuer's own spelling are looked up.
 * @param issuer the next certificate of the path; `undefined` for a root.
 */
function isRevokedBy(issuers: RevokedIssuers, certificate: X509Certificate, issuer?: X509Certificate): boolean {
  if (issuers === "any") return true;
  const stated = hashIssuerName(readCertificateParts(certificate.raw).issuer);
  if (issuers.includes(stated)) return true;
  return issuer !== undefined && issuers.includes(hashIssuerName(readCertificateParts(issuer.raw).subject));
}
