import { create } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { WorkloadRef } from "../../../mesh/api/convert.ts";
import { messageFromSubscription, type SubscriptionRequest } from "../../../mesh/api/convert-subscription.ts";
import {
  AcknowledgementSchema,
  type DiscoverRequest,
  DiscoverRequestSchema,
  type DiscoverResponse,
  type DiscoveryService,
  type Rejection,
  RejectionSchema,
  type Update,
} from "../../../mesh/api/gen/discovery_pb.ts";
import type { Clock } from "../../../mesh/runtime.ts";
import type { ControlPlaneConnection } from "./control-plane-connection.ts";
import type { Refusal } from "./subscription.ts";

/** A connection with a client of the discovery service. */
export interface DiscoveryLink {
  readonly connection: ControlPlaneConnection;
  readonly client: Client<typeof DiscoveryService>;
}

/** Who opens the stream. */
export interface DiscoveringProxy {
  readonly workload: WorkloadRef;
  /** Of the software. */
  readonly version: string;
}

export interface DiscoveryStreamOptions extends DiscoveringProxy {
  readonly clock: Pick<Clock, "monotonicMs">;
}

export interface StreamEvents {
  /** Returns why the update is not accepted; `undefined` if it is. */
  onUpdate(stream: DiscoveryStream, update: Update): Refusal | undefined;
  /** A response has been processed. */
  onResponse(stream: DiscoveryStream): void;
  /** The stream is over, without `close`. */
  onFailure(stream: DiscoveryStream, error: unknown): void;
}

/** A request has at most this many subscriptions: the control plane limits the size of a message. */
const SUBSCRIPTIONS_PER_REQUEST = 128;

/** One stream of all subscriptions, on one connection. What is to be sent while a request is on its way is joined. */
export class DiscoveryStream {
  readonly link: DiscoveryLink;
  readonly #proxy: DiscoveringProxy;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #events: StreamEvents;
  readonly #abort = new AbortController();
  readonly #subscribe = new Map<number, SubscriptionRequest>();
  readonly #unsubscribe = new Set<number>();
  /** When each subscription without a response was asked for, by the monotonic clock. */
  readonly #unanswered = new Map<number, number>();
  #acknowledged: { nonce: number; readonly rejections: Rejection[] } | undefined;
  #wake: (() => void) | undefined;

  constructor(link: DiscoveryLink, options: DiscoveryStreamOptions, events: StreamEvents) {
    this.link = link;
    this.#proxy = options;
    this.#clock = options.clock;
    this.#events = events;
  }

  get isOpen(): boolean {
    return !this.#abort.signal.aborted;
  }

  open(subscriptions: Iterable<SubscriptionRequest>): void {
    for (const subscription of subscriptions) this.subscribe(subscription);
    void this.#read();
  }

  subscribe(subscription: SubscriptionRequest): void {
    this.#unsubscribe.delete(subscription.id);
    this.#subscribe.set(subscription.id, subscription);
    this.#unanswered.set(subscription.id, this.#clock.monotonicMs());
    this.#send();
  }

  unsubscribe(id: number): void {
    // If it was not sent yet, the control plane ignores the id.
    this.#subscribe.delete(id);
    this.#unsubscribe.add(id);
    this.#unanswered.delete(id);
    this.#send();
  }

  /** Whether a subscription has had a response on this stream. */
  hasAnswered(id: number): boolean {
    return !this.#unanswered.has(id);
  }

  /** When it was asked for; `undefined` if it has had a response. */
  askedMs(id: number): number | undefined {
    return this.#unanswered.get(id);
  }

  /** Whether each subscription has had one. */
  get hasAnsweredAll(): boolean {
    return this.#unanswered.size === 0;
  }

  close(): void {
    this.#abort.abort();
    this.#send();
  }

  async #read(): Promise<void> {
    const { signal } = this.#abort;
    try {
      for await (const response of this.link.client.discover(this.#requests(), { signal })) {
        if (signal.aborted) return;
        this.#process(response);
      }
      throw new Error("the control plane ended the stream");
    } catch (caught) {
      if (signal.aborted) return;
      this.close();
      this.#events.onFailure(this, caught);
    }
  }

  #process({ nonce, updates }: DiscoverResponse): void {
    // What was rejected and is replaced by now is no longer current.
    const replaced = new Set(updates.map(({ id }) => id));
    const rejections = (this.#acknowledged?.rejections ?? []).filter(({ id }) => !replaced.has(id));
    for (const update of updates) {
      const refusal = this.#events.onUpdate(this, update);
      if (refusal !== undefined) rejections.push(create(RejectionSchema, { id: update.id, ...refusal }));
      this.#unanswered.delete(update.id);
    }
    this.#acknowledged = { nonce, rejections };
    this.#send();
    this.#events.onResponse(this);
  }

  #send(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async *#requests(): AsyncGenerator<DiscoverRequest, void> {
    const { workload, version } = this.#proxy;
    yield create(DiscoverRequestSchema, { proxy: { workload, version }, ...this.#takeRequest() });
    while (this.isOpen) {
      if (this.#hasRequest()) yield create(DiscoverRequestSchema, this.#takeRequest());
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #hasRequest(): boolean {
    return this.#subscribe.size > 0 || this.#unsubscribe.size > 0 || this.#acknowledged !== undefined;
  }

  #takeRequest() {
    const subscribe = [...this.#subscribe.values()].slice(0, SUBSCRIPTIONS_PER_REQUEST);
    for (const { id } of subscribe) this.#subscribe.delete(id);
    const unsubscribe = [...this.#unsubscribe];
    this.#unsubscribe.clear();
    const acknowledged = this.#acknowledged;
    this.#acknowledged = undefined;
    return {
      subscribe: subscribe.map(messageFromSubscription),
      unsubscribe,
      ...(acknowledged === undefined ? {} : { acknowledgement: create(AcknowledgementSchema, acknowledged) }),
    };
  }
}
