import type { ResourceName } from "../../mesh/api/convert-subscription.ts";
import type { Acknowledgement } from "../../mesh/api/gen/discovery_pb.ts";
import { copyText } from "../../mesh/api/own-copy.ts";
import { BundleRecord } from "./bundle-record.ts";

/** A kind of resource that proxies subscribe to. */
export type SubscriptionKind = ResourceName["kind"];

/**
 * What a proxy has of a kind: `synced` when it has acknowledged everything that was sent, `stale` when it has not yet,
 * `rejected` when it did not accept a value and keeps an earlier one, `waiting` when nothing has been sent.
 */
export type SyncState = "synced" | "stale" | "rejected" | "waiting";

/** A connected proxy, for operators. Contains no secrets. */
export interface ProxyStatus {
  readonly namespace: string;
  readonly pod: string;
  /** SPIFFE id of its certificate. */
  readonly identity: string;
  readonly address: string;
  /** Of its software; empty if it did not name it. */
  readonly version: string;
  /** Whether the mesh knows the pod. */
  readonly isPodKnown: boolean;
  /** ISO 8601. */
  readonly connectedSince: string;
  /** ISO 8601; `null`: never. */
  readonly lastSent: string | null;
  readonly lastAcknowledged: string | null;
  readonly resources: readonly { readonly kind: SubscriptionKind; readonly count: number; readonly state: SyncState }[];
  /** The last ones, at most 16. */
  readonly rejections: readonly { readonly resource: string; readonly reason: string }[];
  /** The one of the connection on which the stream is. A proxy that renews it connects again. */
  readonly certificate: {
    /** As `X509Certificate.serialNumber`. */
    readonly serialNumber: string;
    /** ISO 8601. */
    readonly notAfter: string;
    /** SHA-256 of the root that it leads to, as `X509Certificate.fingerprint256`. */
    readonly rootFingerprint: string;
  };
  /** SHA-256 of the roots of the trust bundle that it has acknowledged last; `null`: none yet. */
  readonly trustedRoots: readonly string[] | null;
}

/** What of a connected proxy counts while a root is replaced. */
export interface ProxyTrust {
  /** SPIFFE id of its certificate. */
  readonly identity: string;
  readonly address: string;
  /** SHA-256 of the root that its certificate leads to, as `X509Certificate.fingerprint256`. */
  readonly certificateRoot: string;
  /** SHA-256 of the roots of the trust bundle that it has acknowledged last; `null`: none yet. */
  readonly trustedRoots: readonly string[] | null;
  /**
   * The root, of the newest trust bundle that it has seen, because of which it does not accept that bundle, as it claims;
   * `null`: it accepts it, or rejects it for another reason.
   */
  readonly rejectedRoot: string | null;
}

/** A value of a response. */
interface SentValue {
  readonly id: number;
  readonly kind: SubscriptionKind;
  readonly encoded: Uint8Array;
}

interface Rejected {
  readonly kind: SubscriptionKind;
  readonly resource: string;
  readonly reason: string;
}

const MAX_REJECTIONS = 16;
const MAX_REASON = 256;
/** SHA-256 in hexadecimal, with colons. */
const MAX_ROOT = 95;

/** What was sent on one stream, and what the proxy has acknowledged. */
export class StreamRecord {
  readonly #rejected = new Map<number, Rejected>();
  readonly #sentNonces = new Map<SubscriptionKind, number>();
  readonly #bundles = new BundleRecord();
  #lastNonce = 0;
  #acknowledgedNonce = 0;
  #sentMs: number | undefined;
  #acknowledgedMs: number | undefined;

  get times(): { readonly sentMs: number | undefined; readonly acknowledgedMs: number | undefined } {
    return { sentMs: this.#sentMs, acknowledgedMs: this.#acknowledgedMs };
  }

  get rejections(): readonly Rejected[] {
    return [...this.#rejected.values()];
  }

  /** The trust bundle that the proxy has, encoded; `undefined` before it has acknowledged one. */
  get trustBundle(): Uint8Array | undefined {
    return this.#bundles.acknowledged;
  }

  /** As `BundleRecord`. */
  get rejectedBundle(): BundleRecord["rejected"] {
    return this.#bundles.rejected;
  }

  sent(nonce: number, values: readonly SentValue[], nowMs: number): void {
    this.#lastNonce = nonce;
    this.#sentMs = nowMs;
    for (const { id, kind, encoded } of values) {
      this.#sentNonces.set(kind, nonce);
      this.#rejected.delete(id);
      if (kind === "trust bundle") this.#bundles.sent({ nonce, id, encoded });
    }
  }

  /** Nonces that were not sent are ignored. */
  acknowledged(
    { nonce, rejections }: Acknowledgement,
    find: (id: number) => Pick<Rejected, "kind" | "resource"> | undefined,
    nowMs: number,
  ): readonly Rejected[] {
    if (nonce > this.#lastNonce || nonce < this.#acknowledgedNonce) return [];
    this.#acknowledgedNonce = nonce;
    this.#acknowledgedMs = nowMs;
    this.#bundles.acknowledgedUpTo(nonce, new Map(rejections.map(({ id, root }) => [id, copyText(root, MAX_ROOT)])));
    const news: Rejected[] = [];
    for (const { id, reason } of rejections) {
      const found = find(id);
      if (found === undefined) continue;
      const rejected = { ...found, reason: copyText(reason, MAX_REASON) };
      news.push(rejected);
      this.#rejected.delete(id);
      this.#rejected.set(id, rejected);
      const [oldest] = this.#rejected.keys();
      if (oldest !== undefined && this.#rejected.size > MAX_REJECTIONS) this.#rejected.delete(oldest);
    }
    return news;
  }

  forget(id: number): void {
    this.#rejected.delete(id);
    this.#bundles.forget(id);
  }

  stateOf(kind: SubscriptionKind): SyncState {
    const sent = this.#sentNonces.get(kind);
    if (sent === undefined) return "waiting";
    if (sent > this.#acknowledgedNonce) return "stale";
    return this.rejections.some((rejected) => rejected.kind === kind) ? "rejected" : "synced";
  }
}
