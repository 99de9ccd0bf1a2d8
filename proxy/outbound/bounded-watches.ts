import { isDeepStrictEqual } from "node:util";
import type { Destination, DestinationTarget } from "../../mesh/policy/types.ts";
import type { Clock, Timer } from "../../mesh/runtime.ts";

/** Opens the control plane's stream for one target; `listener` receives each response. */
export type WatchDestination = (target: DestinationTarget, listener: (destination: Destination) => void) => Watch;

export interface Watch {
  close(): void;
}

/** A watched target, with a stream as far as the limits allow. */
export interface BoundedWatch extends Watch {
  /**
   * Marks it as used. `undefined` if its stream is open, else resolves when the query has been repeated and responded
   * to.
   */
  renew(): Promise<void> | undefined;
}

export interface WatchedTarget {
  readonly target: DestinationTarget;
  /** Called with each response that differs from the last one. */
  readonly listener: (destination: Destination) => void;
  /** Whether the target is in use now. */
  readonly isInUse: () => boolean;
}

/** Streams to the control plane; each costs the control plane about 100 KB. */
export interface WatchLimits {
  /** Targets without a response so far; more are queued. */
  readonly asking: number;
  /** Destinations of the mesh. */
  readonly mesh: number;
  /** Addresses outside the mesh, and those that are refused: an application may dial any number of them. */
  readonly outside: number;
}

export const DEFAULT_WATCH_LIMITS: WatchLimits = { asking: 32, mesh: 160, outside: 32 };

/** How often the oldest target without a stream is queried again, one at a time. */
const RENEWAL_INTERVAL_MS = 50;
/** After this time a repeated query without a response gives its place to another. */
const RENEWAL_TIMEOUT_MS = 5000;

type State =
  | { readonly kind: "queued" }
  | { readonly kind: "asking"; readonly watch: Watch; readonly sinceMs: number }
  | { readonly kind: "live"; readonly watch: Watch; readonly group: "mesh" | "outside" }
  /** Has a response, but no stream. */
  | { readonly kind: "resting" }
  | { readonly kind: "closed" };

interface Question extends WatchedTarget {
  state: State;
  answer: Destination | undefined;
  readonly waiting: Set<() => void>;
}

/**
 * Bounds the streams that one proxy holds open at the control plane. The least recently used ones are closed and keep
 * their last response. It is queried again when they are used, and in turn while they are in use. So an application
 * that dials thousands of addresses costs the control plane no more than one that dials a hundred.
 */
export class BoundedWatches {
  readonly #watch: WatchDestination;
  readonly #clock: Clock;
  readonly #limits: WatchLimits;
  /** By state, each least recently used first. */
  readonly #groups = {
    queued: new Set<Question>(),
    asking: new Set<Question>(),
    mesh: new Set<Question>(),
    outside: new Set<Question>(),
    resting: new Set<Question>(),
  };
  #timer: Timer | undefined;

  constructor(watch: WatchDestination, clock: Clock, limits: WatchLimits = DEFAULT_WATCH_LIMITS) {
    this.#watch = watch;
    this.#clock = clock;
    this.#limits = limits;
  }

  open(watched: WatchedTarget): BoundedWatch {
    const question: Question = { ...watched, state: { kind: "queued" }, answer: undefined, waiting: new Set() };
    this.#move(question, { kind: "queued" });
    this.#askNext();
    return {
      close: () => this.#close(question),
      renew: () => this.#renew(question),
    };
  }

  #renew(question: Question): Promise<void> | undefined {
    const { state } = question;
    if (state.kind === "closed") return undefined;
    if (state.kind === "live") {
      this.#move(question, state);
      return undefined;
    }
    const renewed = new Promise<void>((resolve) => question.waiting.add(resolve));
    if (state.kind === "resting") {
      this.#move(question, { kind: "queued" });
      this.#askNext();
    }
    return renewed;
  }

  #askNext(): void {
    for (const question of this.#groups.queued) {
      if (this.#groups.asking.size >= this.#limits.asking) return;
      this.#ask(question);
    }
  }

  #ask(question: Question): void {
    let isOver = false;
    let early: Destination | undefined;
    let watch: Watch | undefined;
    // Events of a closed stream are ignored.
    const opened = this.#watch(question.target, (destination) => {
      if (watch === undefined) early = destination;
      else if (!isOver) this.#onResponse(question, watch, destination);
    });
    watch = {
      close: () => {
        isOver = true;
        opened.close();
      },
    };
    this.#move(question, { kind: "asking", watch, sinceMs: this.#clock.monotonicMs() });
    if (early !== undefined) this.#onResponse(question, watch, early);
  }

  #onResponse(question: Question, watch: Watch, destination: Destination): void {
    const group = destination.kind === "mesh" ? "mesh" : "outside";
    this.#move(question, { kind: "live", watch, group });
    const isNew = !isDeepStrictEqual(question.answer, destination);
    question.answer = destination;
    if (isNew) question.listener(destination);
    settle(question);
    const [oldest] = this.#groups[group];
    if (oldest !== undefined && this.#groups[group].size > this.#limits[group]) this.#rest(oldest);
    this.#askNext();
  }

  #rest(question: Question): void {
    closeStream(question.state);
    this.#move(question, { kind: "resting" });
    settle(question);
    this.#timer ??= this.#clock.setTimeout(() => this.#renewOldest(), RENEWAL_INTERVAL_MS);
  }

  #renewOldest(): void {
    this.#timer = undefined;
    const lateMs = this.#clock.monotonicMs() - RENEWAL_TIMEOUT_MS;
    for (const question of this.#groups.asking) {
      const { state, answer } = question;
      if (answer !== undefined && state.kind === "asking" && state.sinceMs <= lateMs) this.#rest(question);
    }
    const oldest = findInUse(this.#groups.resting);
    if (oldest !== undefined) this.#move(oldest, { kind: "queued" });
    this.#askNext();
    if (!this.#isIdle()) this.#timer ??= this.#clock.setTimeout(() => this.#renewOldest(), RENEWAL_INTERVAL_MS);
  }

  #isIdle(): boolean {
    const { resting, queued, asking } = this.#groups;
    return resting.size + queued.size + asking.size === 0;
  }

  #close(question: Question): void {
    closeStream(question.state);
    this.#move(question, { kind: "closed" });
    settle(question);
    this.#askNext();
    if (!this.#isIdle()) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Moves it to the end of its new group. */
  #move(question: Question, state: State): void {
    for (const group of Object.values(this.#groups)) group.delete(question);
    question.state = state;
    if (state.kind === "live") this.#groups[state.group].add(question);
    else if (state.kind !== "closed") this.#groups[state.kind].add(question);
  }
}

function findInUse(questions: Iterable<Question>): Question | undefined {
  for (const question of questions) {
    if (question.isInUse()) return question;
  }
  return undefined;
}

function settle({ waiting }: Question): void {
  for (const resolve of waiting) resolve();
  waiting.clear();
}

function closeStream(state: State): void {
  if (state.kind === "asking" || state.kind === "live") state.watch.close();
}
