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

  /** Encoded; `undefined` before the first. One that the proxy has rejected does not count: it keeps the earlier one. */
  get acknowledged(): Uint8Array | undefined {
    return this.#acknowledged?.encoded;
  }

  sent(bundle: SentBundle): void {
    this.#sent = [...this.#sent, bundle].slice(-MAX_SENT);
  }

  /**
   * An acknowledgement is for everything up to its nonce, and so are its rejections: of several bundles of one
   * subscription it does not say which one was rejected, so that none of them counts.
   */
  acknowledgedUpTo(nonce: number, rejectedIds: ReadonlySet<number>): void {
    const accepted = this.#sent.filter((bundle) => bundle.nonce <= nonce && !rejectedIds.has(bundle.id));
    this.#acknowledged = accepted.at(-1) ?? this.#acknowledged;
    this.#sent = this.#sent.filter((bundle) => bundle.nonce > nonce);
  }

  /** The proxy no longer follows the bundle by this subscription. */
  forget(id: number): void {
    this.#sent = this.#sent.filter((bundle) => bundle.id !== id);
    if (this.#acknowledged?.id === id) this.#acknowledged = undefined;
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
    const fingerprints = roots.map((pem) => new X509Certificate(pem).fingerprint256);
    this.#fingerprints.set(encoded, fingerprints);
    return fingerprints;
  }
}
