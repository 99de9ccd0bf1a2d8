import { ConnectError } from "@connectrpc/connect";
import { MeshError } from "../mesh/mesh-error.ts";
import type { ResourceSet } from "../mesh/resources/resource-set.ts";
import type { Logger, LogLimiter } from "../mesh/runtime.ts";

/** What answers are decided from, at one moment: a new object for each pass over the streams. */
export interface MeshView {
  readonly set: ResourceSet;
  /** PEM. */
  readonly roots: readonly string[];
}

/** An answer as a message, and its digest: of its last answer, a stream keeps that alone. */
export interface Answer<Message> {
  readonly message: Message;
  readonly digest: string;
  /** Of the message as it is sent. */
  readonly bytes: number;
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
  onAnswer(answer: Answer<Message>): void;
  onDenied(error: Error): void;
}

interface Entry {
  refresh(view: MeshView): void;
}

export interface SubscriptionsOptions {
  readonly log: Logger;
  /** Asked before a line that a stream causes. */
  readonly limitLog: LogLimiter;
  readonly view: () => MeshView;
}

/** Streams that are refreshed before others get a turn: about a millisecond of work. */
const SLICE = 64;

/**
 * Keeps the open streams up to date. After a change of the mesh all are looked at, in slices, so that thousands of them
 * do not keep the process from its other work; streams that ask the same share one decision. An answer goes out only
 * when it differs from the last one.
 */
export class Subscriptions {
  readonly #log: Logger;
  readonly #limitLog: LogLimiter;
  readonly #createView: () => MeshView;
  readonly #entries = new Set<Entry>();
  /** The mesh as it is now, until the next change: streams that are opened meanwhile share its answers. */
  #view: MeshView | undefined;
  #isRefreshing = false;
  #isStale = false;

  constructor(options: SubscriptionsOptions) {
    this.#log = options.log;
    this.#limitLog = options.limitLog;
    this.#createView = options.view;
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
      entry.refresh(this.#currentView());
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
    this.#view = undefined;
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
    const view = this.#currentView();
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

  #currentView(): MeshView {
    this.#view ??= this.#createView();
    return this.#view;
  }

  #refreshOne(entry: Entry, view: MeshView): void {
    try {
      entry.refresh(view);
    } catch (caught) {
      this.#report(caught, "a decision failed; that stream keeps its last answer");
    }
  }

  #report(caught: unknown, message: string): void {
    const { isGranted, heldBack } = this.#limitLog("decision");
    if (!isGranted) return;
    const { code, message: reason } = MeshError.from(caught);
    this.#log.error({ code, reason, heldBack }, message);
  }
}

function createEntry<Message>(subscription: Subscription<Message>): Entry {
  let last: string | undefined;
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
          const { digest } = outcome.answer;
          if (digest === last) return;
          last = digest;
          subscription.onAnswer(outcome.answer);
        }
      }
    },
  };
}

/** Answers that are kept of one state of the mesh; the oldest is forgotten, and decided again when it is asked for. */
const MAX_SHARED = 4096;

/** Decides once for all streams that ask the same of one state of the mesh. */
export function shareAnswers<Message>(
  isWorthKeeping: (message: Message) => boolean = () => true,
): (view: MeshView, key: string, decide: () => Answer<Message>) => Answer<Message> {
  const byView = new WeakMap<MeshView, Map<string, Answer<Message>>>();
  return (view, key, decide) => {
    const answers = byView.get(view) ?? new Map<string, Answer<Message>>();
    byView.set(view, answers);
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = decide();
    if (!isWorthKeeping(answer.message)) return answer;
    for (const oldest of answers.keys()) {
      if (answers.size < MAX_SHARED) break;
      answers.delete(oldest);
    }
    answers.set(key, answer);
    return answer;
  };
}
