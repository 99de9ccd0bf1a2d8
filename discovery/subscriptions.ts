import { ConnectError } from "@connectrpc/connect";
import { MeshError } from "../mesh/mesh-error.ts";
import type { ResourceSet } from "../mesh/resources/resource-set.ts";
import type { Logger } from "../mesh/runtime.ts";

/** What answers are decided from, at one moment: a new object for each pass over the streams. */
export interface MeshView {
  readonly set: ResourceSet;
  /** PEM. */
  readonly roots: readonly string[];
}

/** An answer as a message and as the bytes that tell it from another. */
export interface Answer<Message> {
  readonly message: Message;
  readonly bytes: Uint8Array;
}

/** What one look at the mesh gives a stream. */
export type Outcome<Message> =
  | { readonly kind: "answer"; readonly answer: Answer<Message> }
  /** The pod that asks is not known (yet, or any more): the stream waits with what it has. */
  | { readonly kind: "waiting" }
  | { readonly kind: "denied"; readonly error: Error };

/** One open stream. */
export interface Subscription<Message> {
  evaluate(view: MeshView): Outcome<Message>;
  onAnswer(message: Message): void;
  onDenied(error: Error): void;
}

interface Entry {
  refresh(view: MeshView): void;
}

/** Streams that are refreshed before others get a turn: about a millisecond of work. */
const SLICE = 64;

/**
 * Keeps the open streams up to date. After a change of the mesh all are looked at, in slices, so that thousands of them
 * do not keep the process from its other work; streams that ask the same share one decision. An answer goes out only
 * when its bytes differ from those of the last one.
 */
export class Subscriptions {
  readonly #log: Logger;
  readonly #view: () => MeshView;
  readonly #entries = new Set<Entry>();
  #isRefreshing = false;
  #isStale = false;

  constructor(options: { readonly log: Logger; readonly view: () => MeshView }) {
    this.#log = options.log;
    this.#view = options.view;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Answers at once if it can, and after each change. Returns how to stop. */
  add<Message>(subscription: Subscription<Message>): () => void {
    const entry = createEntry(subscription);
    this.#entries.add(entry);
    const remove = (): void => {
      this.#entries.delete(entry);
    };
    try {
      entry.refresh(this.#view());
    } catch (caught) {
      remove();
      // What is not meant for the caller reaches it as "internal error" alone.
      if (!(caught instanceof ConnectError)) this.#report(caught, "a decision failed; the stream is refused");
      throw caught;
    }
    return remove;
  }

  /** To be called after each change of the mesh. Changes that come during a pass start one more, not one each. */
  refresh(): void {
    this.#isStale = true;
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    void this.#refreshAll();
  }

  async #refreshAll(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      await this.#pass();
    }
    this.#isRefreshing = false;
  }

  async #pass(): Promise<void> {
    const view = this.#view();
    let refreshed = 0;
    for (const entry of [...this.#entries]) {
      if (!this.#entries.has(entry)) continue;
      this.#refreshOne(entry, view);
      refreshed += 1;
      if (refreshed % SLICE !== 0) continue;
      await new Promise((resolve) => setImmediate(resolve));
      // An older view must not overwrite what a newer one said to a stream that was opened meanwhile.
      if (this.#isStale) return;
    }
  }

  #refreshOne(entry: Entry, view: MeshView): void {
    try {
      entry.refresh(view);
    } catch (caught) {
      this.#report(caught, "a decision failed; that stream keeps its last answer");
    }
  }

  #report(caught: unknown, message: string): void {
    const { code, message: reason } = MeshError.from(caught);
    this.#log.error({ code, reason }, message);
  }
}

function createEntry<Message>(subscription: Subscription<Message>): Entry {
  let last: Uint8Array | undefined;
  return {
    refresh(view) {
      const outcome = subscription.evaluate(view);
      switch (outcome.kind) {
        case "waiting":
          return;
        case "denied":
          subscription.onDenied(outcome.error);
          return;
        case "answer": {
          const { message, bytes } = outcome.answer;
          const isSame = last !== undefined && Buffer.compare(last, bytes) === 0;
          // The newer bytes are kept even then: they are shared with the other streams of this pass.
          last = bytes;
          if (!isSame) subscription.onAnswer(message);
        }
      }
    },
  };
}

/** Decides once for all streams that ask the same in one pass. */
export function shareAnswers<Message>(): (
  view: MeshView,
  key: string,
  decide: () => Answer<Message>,
) => Answer<Message> {
  const byView = new WeakMap<MeshView, Map<string, Answer<Message>>>();
  return (view, key, decide) => {
    const answers = byView.get(view) ?? new Map<string, Answer<Message>>();
    byView.set(view, answers);
    const answer = answers.get(key) ?? decide();
    answers.set(key, answer);
    return answer;
  };
}
