import type { HandlerContext } from "@connectrpc/connect";
import type { WorkloadRef } from "../mesh/api/convert.ts";
import { formatCaller, type VerifiedPeer } from "../mesh/api/peer-context.ts";
import { formatResourceKey } from "../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../mesh/resources/kinds/pod.ts";
import type { Clock, Logger, LogLimiter } from "../mesh/runtime.ts";
import { admitCaller, admitWorkload, findPodFault } from "./admit-caller.ts";
import { serveStream } from "./serve-stream.ts";
import { StreamCounter, type StreamLimits } from "./stream-limits.ts";
import type { MeshView, Outcome, StreamResponse, Subscriptions } from "./subscriptions.ts";
import { UnreadBytes } from "./unread-bytes.ts";

export interface StreamsOptions {
  readonly subscriptions: Subscriptions;
  readonly limits: StreamLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Checked before a line that a caller causes: callers must not be able to fill the disk. */
  readonly limitLog: LogLimiter;
  readonly shutdown: AbortSignal;
}

/** Opens streams for authorized callers, within the limits. */
export class CallerStreams {
  readonly #options: StreamsOptions;
  /** One counter for all limits: the keys distinguish what is counted. */
  readonly #counter = new StreamCounter();
  readonly #unread: UnreadBytes;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#unread = new UnreadBytes(options.limits.unreadBytesPerCaller);
  }

  /** Available to any workload. */
  async *watchForAll<Message>(
    context: HandlerContext,
    decide: (view: MeshView) => StreamResponse<Message>,
  ): AsyncGenerator<Message, void> {
    const { clock, limits } = this.#options;
    const caller = admitCaller(context, clock.now());
    const release = this.#takeAll([
      [formatCaller(caller), limits.perCaller],
      [`${formatCaller(caller)} for the trust bundle`, limits.bundlesPerCaller],
      [`${caller.identity} for the trust bundle`, limits.bundlesPerIdentity],
    ]);
    try {
      yield* this.#serve(context, caller, (view) => ({ kind: "response", response: decide(view) }));
    } finally {
      release();
    }
  }

  /**
   * For one pod; the caller must have the pod's identity. While the pod is unknown the stream waits: a sidecar may
   * connect before the pod's address has reached the configuration. The sidecar of a deleted pod keeps its last
   * response.
   */
  async *watchForPod<Message>(
    context: HandlerContext,
    ref: WorkloadRef | undefined,
    decide: (pod: Pod, view: MeshView) => StreamResponse<Message>,
  ): AsyncGenerator<Message, void> {
    const { clock, limits } = this.#options;
    const caller = admitCaller(context, clock.now());
    const workload = admitWorkload(ref, caller.identity);
    const key = formatResourceKey(workload.namespace, workload.name);
    const release = this.#takeAll([
      [formatCaller(caller), limits.perCaller],
      [`${caller.identity} for the pod ${key}`, limits.perPod],
    ]);
    const waiting = this.#waitingSlot(key, caller);
    try {
      yield* this.#serve(context, caller, (view) => {
        const pod = view.set.pods.get(key);
        if (pod === undefined) return waiting.take();
        waiting.release();
        const error = findPodFault(pod, caller.identity);
        return error === undefined ? { kind: "response", response: decide(pod, view) } : { kind: "denied", error };
      });
    } finally {
      waiting.release();
      release();
    }
  }

  #serve<Message>(
    context: HandlerContext,
    caller: VerifiedPeer,
    evaluate: (view: MeshView) => Outcome<Message>,
  ): AsyncGenerator<Message, void> {
    const { subscriptions, clock, shutdown } = this.#options;
    const unread = this.#unread;
    return serveStream(subscriptions, evaluate, { clock, caller, unread, call: context.signal, shutdown });
  }

  /** A slot under each limit, or none at all. */
  #takeAll(slots: readonly (readonly [key: string, limit: number])[]): () => void {
    const taken: (() => void)[] = [];
    const release = (): void => {
      for (const releaseOne of taken) releaseOne();
    };
    try {
      for (const [key, limit] of slots) taken.push(this.#counter.take(key, limit));
    } catch (caught) {
      release();
      throw caught;
    }
    return release;
  }

  /** Streams for unknown pods have their own limit: a caller can invent their names. */
  #waitingSlot(key: string, caller: VerifiedPeer): { take(): { kind: "waiting" }; release(): void } {
    let slot: (() => void) | undefined;
    let isFirst = true;
    return {
      take: () => {
        // A pod that was known has been deleted: its name is not new.
        if (isFirst) {
          slot = this.#counter.take(`${caller.identity} for unknown pods`, this.#options.limits.waitingPerIdentity);
          this.#logWaiting(key, caller);
        }
        isFirst = false;
        return { kind: "waiting" };
      },
      release: () => {
        isFirst = false;
        slot?.();
        slot = undefined;
      },
    };
  }

  #logWaiting(pod: string, { identity }: VerifiedPeer): void {
    const { log, limitLog } = this.#options;
    const { isGranted, heldBack } = limitLog("waiting");
    if (isGranted) log.info({ pod, peer: identity, heldBack }, "waiting for a pod that is still unknown");
  }
}
