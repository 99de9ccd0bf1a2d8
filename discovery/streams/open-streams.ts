import { Code, ConnectError } from "@connectrpc/connect";
import { formatCaller, type VerifiedPeer } from "../../mesh/api/peer-context.ts";
import type { Outbox } from "./outbox.ts";
import { StreamCounter, type StreamLimits } from "./stream-limits.ts";

/** An open stream that has named its pod. */
export interface NamedStream {
  readonly caller: VerifiedPeer;
  /** The key of the pod. */
  readonly pod: string;
  readonly outbox: Outbox;
}

/** How many subscriptions a caller may have in all its streams together. */
export interface SubscriptionQuota {
  /** Whether there is room for one more, which is then taken. */
  take(): boolean;
  release(): void;
}

/** The open streams, and what limits their number. */
export class OpenStreams<Stream extends NamedStream> {
  readonly #limits: StreamLimits;
  /** One counter for all limits: the keys distinguish what is counted. */
  readonly #counter = new StreamCounter();
  /** By caller and pod, oldest first. */
  readonly #byPod = new Map<string, Set<Stream>>();
  /** Oldest first. */
  readonly #named = new Set<Stream>();

  constructor(limits: StreamLimits) {
    this.#limits = limits;
  }

  get named(): Iterable<Stream> {
    return this.#named;
  }

  /** A slot for a stream. Returns the function that releases it. Throws ResourceExhausted if there is none. */
  admit(caller: VerifiedPeer): () => void {
    return this.#counter.take(formatCaller(caller), this.#limits.perCaller);
  }

  /** The same for a stream whose pod is unknown: a caller can invent names of pods. */
  admitWaiting({ identity }: VerifiedPeer): () => void {
    return this.#counter.take(`${identity} for unknown pods`, this.#limits.waitingPerIdentity);
  }

  /** For the subscriptions of one stream. */
  quotaOf(caller: VerifiedPeer): SubscriptionQuota {
    const key = `subscriptions of ${formatCaller(caller)}`;
    return {
      take: () => this.#counter.add(key, this.#limits.subscriptionsPerCaller),
      release: () => this.#counter.remove(key),
    };
  }

  /** Of too many for one pod the oldest ends: its proxy has most likely lost it. */
  add(stream: Stream): () => void {
    const key = `${formatCaller(stream.caller)} for ${stream.pod}`;
    const streams = this.#byPod.get(key) ?? new Set();
    this.#byPod.set(key, streams);
    streams.add(stream);
    this.#named.add(stream);
    const [oldest] = streams;
    if (oldest !== undefined && streams.size > this.#limits.perPod) {
      streams.delete(oldest);
      oldest.outbox.end(new ConnectError(`${stream.pod} has opened newer streams`, Code.Aborted));
    }
    return () => {
      this.#named.delete(stream);
      streams.delete(stream);
      if (streams.size === 0 && this.#byPod.get(key) === streams) this.#byPod.delete(key);
    };
  }
}
