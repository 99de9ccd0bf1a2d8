import { create } from "@bufbuild/protobuf";
import { ConvertError } from "../../mesh/api/convert-error.ts";
import { type ResourceName, resourceFromMessage } from "../../mesh/api/convert-subscription.ts";
import { messageFromTrustReadings } from "../../mesh/api/convert-trust-readings.ts";
import {
  type DiscoverResponse,
  DiscoverResponseSchema,
  SingleSchema,
  type Subscribe,
  type TrustReadings as TrustReadingsMessage,
  type Update,
  UpdateSchema,
  ValueSchema,
} from "../../mesh/api/gen/discovery_pb.ts";
import { copyBytes } from "../../mesh/api/own-copy.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { TrustReadings } from "../../mesh/policy/authentication/trust-readings.ts";
import type { ResourceClient } from "../decisions/decide-resource.ts";
import type { EncodedValue, FollowedDecision, SharedDecisions } from "../decisions/shared-decisions.ts";
import type { SubscriptionQuota } from "./open-streams.ts";

export interface ProxyStreamOptions {
  readonly decisions: SharedDecisions;
  /** Of the trust bundle, at this moment. @default none */
  readonly readings?: () => TrustReadings | undefined;
  readonly maxSubscriptions: number;
  /** Shared by all streams of the caller. */
  readonly quota: SubscriptionQuota;
  /** There may be something to send. */
  readonly notify: () => void;
  /** A decision has failed; the proxy receives no details. */
  readonly onFailure: (error: MeshError) => void;
}

/** A subscription of the stream. */
interface Subscription {
  readonly id: number;
  readonly resource: ResourceName;
  /** The digest of the value that the proxy has. */
  known: Uint8Array;
  /** Whether the proxy has had a response. */
  isAnswered: boolean;
  decision: FollowedDecision | undefined;
}

/** What is sent in one response. */
export interface Batch {
  readonly response: DiscoverResponse;
  readonly bytes: number;
  /** The subscriptions whose value is current with it, and that value. */
  readonly values: readonly {
    readonly id: number;
    readonly kind: ResourceName["kind"];
    readonly encoded: Uint8Array;
  }[];
}

/** A response is complete with this many bytes; it may be longer by one value. */
const BATCH_BYTES = 64 * 1024;
/** Of an update besides its value. */
const UPDATE_BYTES = 32;
/** How many faults wait until the proxy reads them; further ones are dropped, and the proxy asks again. */
const MAX_FAULTS = 1024;

/** Ours have 16 bytes. A longer one is that of no value. */
const MAX_DIGEST_BYTES = 64;
const NO_DIGEST = new Uint8Array();

/** The trust bundle is the same for everybody. */
const ANYBODY: ResourceClient = { namespace: "", pod: "", labels: {}, key: "" };

/**
 * The subscriptions of one proxy, and what it has not received yet. Only the newest value of each is sent: the memory
 * of a proxy that does not read is that of its subscriptions.
 */
export class ProxyStream {
  readonly #options: ProxyStreamOptions;
  readonly #subscriptions = new Map<number, Subscription>();
  readonly #changed = new Set<number>();
  readonly #faults = new Map<number, string>();
  #client: ResourceClient | undefined;
  #nonce = 0;

  constructor(options: ProxyStreamOptions) {
    this.#options = options;
  }

  get subscriptions(): Iterable<Pick<Subscription, "id" | "resource">> {
    return this.#subscriptions.values();
  }

  find(id: number): ResourceName | undefined {
    return this.#subscriptions.get(id)?.resource;
  }

  /** The proxy's pod; `undefined` while it is unknown, and when it is gone: then the last values stay in force. */
  setClient(client: ResourceClient | undefined): void {
    this.#client = client;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.resource.kind !== "trust bundle") this.#follow(subscription);
    }
  }

  subscribe(message: Subscribe): void {
    const { id, knownDigest } = message;
    this.unsubscribe(id);
    try {
      const resource = resourceFromMessage(message);
      const { maxSubscriptions, quota } = this.#options;
      if (this.#subscriptions.size >= maxSubscriptions) {
        this.#fail(id, `the stream has ${maxSubscriptions} subscriptions, which is the limit`);
        return;
      }
      if (!quota.take()) {
        this.#fail(id, "all streams of this identity and address together have as many subscriptions as they may");
        return;
      }
      const known = knownDigest.length > MAX_DIGEST_BYTES ? NO_DIGEST : copyBytes(knownDigest);
      const subscription = { id, resource, known, isAnswered: false, decision: undefined };
      this.#subscriptions.set(id, subscription);
      this.#follow(subscription);
    } catch (caught) {
      if (!(caught instanceof ConvertError)) throw caught;
      this.#fail(id, caught.message);
    }
  }

  unsubscribe(id: number): void {
    this.#subscriptions.get(id)?.decision?.stop();
    if (this.#subscriptions.delete(id)) this.#options.quota.release();
    this.#changed.delete(id);
    this.#faults.delete(id);
  }

  /** The next response; `undefined` if the proxy has everything. */
  take(): Batch | undefined {
    const updates: Update[] = [];
    const values: Batch["values"][number][] = [];
    let bytes = 0;
    for (const [id, fault] of this.#faults) {
      updates.push(create(UpdateSchema, { id, result: { case: "fault", value: fault } }));
      bytes += UPDATE_BYTES + fault.length;
    }
    this.#faults.clear();
    for (const id of this.#changed) {
      if (bytes >= BATCH_BYTES) break;
      this.#changed.delete(id);
      const subscription = this.#subscriptions.get(id);
      const value = subscription?.decision?.current();
      if (subscription === undefined || value === undefined) continue;
      const result = resultOf(subscription, value);
      if (result === undefined) continue;
      updates.push(create(UpdateSchema, { id, result, ...this.#readingsFor(subscription) }));
      values.push({ id, kind: subscription.resource.kind, encoded: value.encoded });
      bytes += UPDATE_BYTES + (result.case === "value" ? value.encoded.length : 0);
    }
    if (updates.length === 0) return undefined;
    this.#nonce += 1;
    return { response: create(DiscoverResponseSchema, { nonce: this.#nonce, updates }), bytes, values };
  }

  close(): void {
    for (const id of [...this.#subscriptions.keys()]) this.unsubscribe(id);
  }

  #follow(subscription: Subscription): void {
    const { id, resource } = subscription;
    subscription.decision?.stop();
    subscription.decision = undefined;
    const client = resource.kind === "trust bundle" ? ANYBODY : this.#client;
    if (client === undefined) return;
    const onChange = (): void => {
      this.#changed.add(id);
      this.#options.notify();
    };
    try {
      subscription.decision = this.#options.decisions.follow(resource, client, onChange);
      onChange();
    } catch (caught) {
      this.#options.onFailure(MeshError.from(caught));
      this.unsubscribe(id);
      this.#fail(id, "the control plane could not decide it: its log has the reason");
    }
  }

  /** They are those of the value that was just looked up: nothing waits between the two. */
  #readingsFor({ resource }: Subscription): { readonly readings?: TrustReadingsMessage } {
    const readings = resource.kind === "trust bundle" ? this.#options.readings?.() : undefined;
    return readings === undefined ? {} : { readings: messageFromTrustReadings(readings) };
  }

  #fail(id: number, reason: string): void {
    if (this.#faults.size < MAX_FAULTS) this.#faults.set(id, reason);
    this.#options.notify();
  }
}

/** `undefined`: the proxy has this value. */
function resultOf(subscription: Subscription, { encoded, digest }: EncodedValue) {
  const isKnown = Buffer.compare(digest, subscription.known) === 0;
  const { isAnswered } = subscription;
  subscription.known = digest;
  subscription.isAnswered = true;
  if (!isKnown) return { case: "value", value: create(ValueSchema, { digest, encoded }) } as const;
  return isAnswered ? undefined : ({ case: "unchanged", value: create(SingleSchema) } as const);
}
