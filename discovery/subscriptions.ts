import { ConnectError } from "@connectrpc/connect";
import { MeshError } from "../mesh/mesh-error.ts";
import type { ResourceSet } from "../mesh/resources/resource-set.ts";
import type { Logger, LogLimiter } from "../mesh/runtime.ts";

/** The input of decisions at one moment: a new object for each pass over the streams. */
export interface MeshView {
  readonly set: ResourceSet;
  /** PEM. */
  readonly roots: readonly string[];
}

/** A response message with its digest. A stream keeps only the digest of its last response. */
export interface StreamResponse<Message> {
  readonly message: Message;
  readonly digest: string;
  /** The size of the encoded message. */
  readonly bytes: number;
}

/** The result of evaluating one stream. */
export type Outcome<Message> =
  | { readonly kind: "response"; readonly response: StreamResponse<Message> }
  /** The pod is unknown (not yet, or no longer known): the stream keeps what it has. */
  | { readonly kind: "waiting" }
  | { readonly kind: "denied"; readonly error: Error };

/** One open stream. */
export interface Subscription<Message> {
  evaluate(view: MeshView): Outcome<Message>;
  onResponse(response: StreamResponse<Message>): void;
  onDenied(error: Error): void;
}

interface Entry {
  refresh(view: MeshView): void;
}

export interface SubscriptionsOptions {
  readonly log: Logger;
  /** Checked before a line that a stream causes. */
  readonly limitLog: LogLimiter;
  readonly view: () => MeshView;
}

/** How many streams are refreshed before the event loop gets a turn: about a millisecond of work. */
const SLICE = 64;

/**
 * Keeps the open streams up to date. After a change of the mesh all are evaluated, in slices, so that thousands of them
 * do not block the process. Streams with the same request share one decision. A response is sent only if it differs
 * from the last one.
 */
export class Subscriptions {
  readonly #log: Logger;
  readonly #limitLog: LogLimiter;
  readonly #createView: () => MeshView;
  readonly #entries = new Set<Entry>();
  /** The current view, until the next change: streams opened meanwhile share its responses. */
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

  /** Responds at once if possible, and after each change. Returns the function that unsubscribes. */
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
      // Errors that are not meant for the caller reach it only as "internal error".
      if (!(caught instanceof ConnectError)) this.#report(caught, "a decision failed; the stream is refused");
      throw caught;
    }
    return remove;
  }

  /** Call after each change of the mesh. Several changes during a pass cause only one more pass. */
  refresh(): void {
    this.#isStale = true;
    this.#view = undefined;
    if (this.#isRefreshing) return;
    this.#isRefreshing = true;
    this.#refreshAll().catch((caught: unknown) => {
      // The next change starts another pass.
      this.#isRefreshing = false;
      this.#report(caught, "the mesh could not be evaluated; all streams keep their last response");
    });
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
      // An older view must not overwrite the response of a newer one to a stream that was opened meanwhile.
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
      this.#report(caught, "a decision failed; the stream keeps its last response");
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
        case "response": {
          const { digest } = outcome.response;
          if (digest === last) return;
          last = digest;
          subscription.onResponse(outcome.response);
        }
      }
    },
  };
}

/** How many responses are cached for one view; the oldest is dropped, and decided again if needed. */
const MAX_SHARED = 4096;

/** Decides once for all streams with the same request and view. */
export function shareResponses<Message>(
  isWorthKeeping: (message: Message) => boolean = () => true,
): (view: MeshView, key: string, decide: () => StreamResponse<Message>) => StreamResponse<Message> {
  const byView = new WeakMap<MeshView, Map<string, StreamResponse<Message>>>();
  return (view, key, decide) => {
    const responses = byView.get(view) ?? new Map<string, StreamResponse<Message>>();
    byView.set(view, responses);
    const known = responses.get(key);
    if (known !== undefined) return known;
    const response = decide();
    if (!isWorthKeeping(response.message)) return response;
    for (const oldest of responses.keys()) {
      if (responses.size < MAX_SHARED) break;
      responses.delete(oldest);
    }
    responses.set(key, response);
    return response;
  };
}
