import type { X509Certificate } from "node:crypto";
import type { SecureContext } from "node:tls";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { createTlsContext } from "../../net/tls/tls-contexts.ts";
import type { TrustAnchors } from "./trust-anchors.ts";
import { hasSameAuthorities, keepUnchanged } from "./trust-changes.ts";

/** Everything that a handshake needs; immutable. */
export interface SecureMaterial {
  /**
   * Incremented with every change of what a handshake shows and accepts: the certificate, the roots, the trust domains.
   * Not with revocations: they end the connections of the revoked peers, and no others need be made again.
   */
  readonly generation: number;
  /** Own certificate and key, the roots of all trusted domains as authorities, by `createTlsContext`. */
  readonly context: SecureContext;
  /** The same object as long as nothing in it changes. */
  readonly trust: TrustAnchors;
  readonly identity: SpiffeId;
  /** The own chain as sent, leaf first. */
  readonly certificates: readonly X509Certificate[];
  readonly notAfterMs: number;
}

/** Consumers hold the source and call it for each handshake; they never keep the context. */
export interface SecureContextSource {
  /** `undefined`: there is no certificate yet, or it has expired; there must be no fallback. */
  current(): SecureMaterial | undefined;
  /** The trust bundle in force, also while there is no certificate. The same object as long as nothing in it changes. */
  trust(): TrustAnchors;
  /** Calls the listener with each later material, not with the current one. Returns a function that unsubscribes. */
  subscribe(listener: (material: SecureMaterial) => void): () => void;
}

/** The workload's own certificate and key. The key exists only in memory. */
export interface Svid {
  readonly identity: SpiffeId;
  /** As sent in the handshake: leaf first, without the root. */
  readonly certificates: readonly X509Certificate[];
  readonly privateKeyPem: string;
  /** When the first certificate of its chain expires, in epoch milliseconds. */
  readonly notAfterMs: number;
}

/** The source for its writers: the certificate's manager and the trust bundle's stream. */
export interface WritableSecureContextSource extends SecureContextSource {
  setSvid(svid: Svid): void;
  setTrust(trust: TrustAnchors): void;
  /** A client's context with the own certificate, which trusts these authorities instead of the bundle's. */
  contextTrusting(rootsPem: string): SecureContext | undefined;
}

/**
 * Combines the own certificate and the trust bundle. Each change makes new material and replaces the old atomically.
 */
export function createSecureContextSource(options: {
  readonly trust: TrustAnchors;
  readonly clock: Clock;
}): WritableSecureContextSource {
  return new CombinedSource(options.trust, options.clock);
}

class CombinedSource implements WritableSecureContextSource {
  readonly #clock: Clock;
  readonly #listeners = new Set<(material: SecureMaterial) => void>();
  #trust: TrustAnchors;
  #svid: Svid | undefined;
  #material: SecureMaterial | undefined;
  #generation = 0;

  constructor(trust: TrustAnchors, clock: Clock) {
    this.#trust = trust;
    this.#clock = clock;
  }

  current(): SecureMaterial | undefined {
    // Fail closed: an expired certificate counts as none (compare CVE-2020-8664).
    return this.#material !== undefined && this.#clock.now() <= this.#material.notAfterMs ? this.#material : undefined;
  }

  subscribe(listener: (material: SecureMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  trust(): TrustAnchors {
    return this.#trust;
  }

  setSvid(svid: Svid): void {
    this.#combine(svid, this.#trust);
  }

  setTrust(received: TrustAnchors): void {
    const trust = keepUnchanged(received, this.#trust);
    if (trust === this.#trust) return;
    if (this.#svid === undefined || this.#material === undefined) this.#trust = trust;
    else if (hasSameAuthorities(trust, this.#trust)) this.#publish({ ...this.#material, trust });
    else this.#combine(this.#svid, trust);
  }

  contextTrusting(rootsPem: string): SecureContext | undefined {
    return this.#svid === undefined || this.current() === undefined ? undefined : createContext(this.#svid, rootsPem);
  }

  #combine(svid: Svid, trust: TrustAnchors): void {
    // Made before anything is assigned: material that OpenSSL rejects leaves the old in place.
    const context = createContext(svid, listAllRoots(trust).join(""));
    this.#svid = svid;
    this.#generation += 1;
    const { identity, certificates, notAfterMs } = svid;
    this.#publish({ generation: this.#generation, context, trust, identity, certificates, notAfterMs });
  }

  #publish(material: SecureMaterial): void {
    this.#trust = material.trust;
    this.#material = material;
    for (const listener of [...this.#listeners]) listener(material);
  }
}

/** OpenSSL cannot tell by which domain's root it verifies: `verifyPeer` decides that. */
function listAllRoots({ roots, federated = [] }: TrustAnchors): readonly string[] {
  const all = [...roots, ...federated.flatMap((domain) => domain.roots)];
  return [...new Set(all.map((root) => root.toString()))];
}

function createContext(svid: Svid, rootsPem: string): SecureContext {
  return createTlsContext({ cert: svid.certificates.join(""), key: svid.privateKeyPem, ca: rootsPem });
}
