import { X509Certificate } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { TrustBundleResourceSchema } from "../../mesh/api/gen/discovery_pb.ts";

interface SentBundle {
  readonly nonce: number;
  readonly id: number;
  /** Shared by all proxies that received it. */
  readonly encoded: Uint8Array;
}

/** A proxy that reads and does not acknowledge makes no more of them; the oldest are forgotten. */
const MAX_SENT = 16;

/** Which trust bundle a proxy has acknowledged, of those that were sent on one stream. */
export class BundleRecord {
  #sent: readonly SentBundle[] = [];
  #acknowledged: SentBundle | undefined;
  #rejected: { readonly bundle: SentBundle; readonly root: string } | undefined;

  /** Encoded; `undefined` before the first. One that the proxy has rejected does not count: it keeps the earlier one. */
  get acknowledged(): Uint8Array | undefined {
    return this.#acknowledged?.encoded;
  }

  /** The newest bundle that the proxy has seen, if it does not accept it; `root` is the one because of which, as it claims. */
  get rejected(): { readonly encoded: Uint8Array; readonly root: string } | undefined {
    return this.#rejected && { encoded: this.#rejected.bundle.encoded, root: this.#rejected.root };
  }

  sent(bundle: SentBundle): void {
    this.#sent = [...this.#sent, bundle].slice(-MAX_SENT);
  }

  /**
   * An acknowledgement is for everything up to its nonce, and so are its rejections: of several bundles of one
   * subscription it does not say which were rejected besides the newest, so that none of them counts as accepted.
   * @param rejectedRoots by subscription: the root because of which, or an empty text
   */
  acknowledgedUpTo(nonce: number, rejectedRoots: ReadonlyMap<number, string>): void {
    const seen = this.#sent.filter((bundle) => bundle.nonce <= nonce);
    const newest = seen.at(-1);
    if (newest !== undefined) {
      const root = rejectedRoots.get(newest.id);
      this.#rejected = root === undefined ? undefined : { bundle: newest, root };
    }
    this.#acknowledged = seen.filter(({ id }) => !rejectedRoots.has(id)).at(-1) ?? this.#acknowledged;
    this.#sent = this.#sent.filter((bundle) => bundle.nonce > nonce);
  }

  /** The proxy no longer follows the bundle by this subscription. */
  forget(id: number): void {
    this.#sent = this.#sent.filter((bundle) => bundle.id !== id);
    if (this.#acknowledged?.id === id) this.#acknowledged = undefined;
    if (this.#rejected?.bundle.id === id) this.#rejected = undefined;
  }
}

/** The roots of encoded trust bundles. Thousands of proxies have the same few, each of which is decoded once. */
export class BundleRoots {
  readonly #fingerprints = new WeakMap<Uint8Array, readonly string[]>();

  /** SHA-256 of each root, as `X509Certificate.fingerprint256`. */
  fingerprintsOf(encoded: Uint8Array): readonly string[] {
    const known = this.#fingerprints.get(encoded);
    if (known !== undefined) return known;
    const { roots } = fromBinary(TrustBundleResourceSchema, encoded);
    const fingerprints = roots.flatMap(fingerprintOf);
    this.#fingerprints.set(encoded, fingerprints);
    return fingerprints;
  }
}

/** None of what cannot be read: a proxy may still claim to accept it. */
function fingerprintOf(pem: string): readonly string[] {
  try {
    return [new X509Certificate(pem).fingerprint256];
  } catch {
    return [];
  }
}
