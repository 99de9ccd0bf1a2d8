import { isDeepStrictEqual } from "node:util";
import type { Destination, DestinationTarget } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { RenewalTurn } from "./renewal-turn.ts";
import { DEFAULT_WATCH_LIMITS, type WatchLimits } from "./watch-limits.ts";

/** Opens the control plane's stream for one target; `listener` receives each response. */
export type WatchDestination = (target: DestinationTarget, listener: (destination: Destination) => void) => Watch;

export interface Watch {
  close(): void;
}

/** A watched target, with a stream as far as the limits allow. */
export interface BoundedWatch extends Watch {
  /**
   * Marks it as used by a new connection. `undefined` if its stream is open, else resolves when the query has been
   * repeated and responded to.
   */
  renew(): Promise<void> | undefined;
  /**
   * Marks it as used again by a user that does not wait. Without a stream it is queried again at once, or next in turn
   * if another one was just queried for the same reason.
   */
  use(): void;
}

export interface WatchedTarget {
  readonly target: DestinationTarget;
  /** Called with each response that differs from the last one. */
  readonly listener: (destination: Destination) => void;
  /** Whether the target is in use now. */
  readonly isInUse: () => boolean;
}

/** How many targets without a stream are queried again in one step. */
const RENEWED_PER_STEP = 4;
/** The least time between two queries of `use`; more wait for their turn. */
const USE_INTERVAL_MS = 250;
/** After this time a repeated query without a response gives its place to another. */
const RENEWAL_TIMEOUT_MS = 5000;

type State =
  | { readonly kind: "queued" }
  | { readonly kind: "asking"; readonly watch: Watch; readonly sinceMs: number }
  | { readonly kind: "live"; readonly watch: Watch; readonly group: "mesh" | "outside" }
  /** Has a response, but no stream. */
  | { readonly kind: "resting" }
  /** The same, and has been used since: it is the next in turn. */
  | { readonly kind: "wanted" }
  | { readonly kind: "closed" };

interface Question extends WatchedTarget {
  state: State;
  answer: Destination | undefined;
  readonly waiting: Set<() => void>;
}

/**
 * Bounds the streams that one proxy holds open at the control plane. The least recently used ones are closed and keep
 * their last response. It is queried again when they are used, and in turn while they are in use. So an application
 * that dials thousands of addresses costs the control plane no more than one that dials a few hundred.
 *
 * With 600 mesh destinations in use, 216 have no stream. While nothing changes, 4 of them are queried each second: a
 * change of one is known after a minute at the latest, or when it is used. While responses differ, 80 are queried each
 * second: a change of all of them is known after 4 s. Up to 384, or when none is in use, no timer runs.
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
    wanted: new Set<Question>(),
  };
  readonly #turn: RenewalTurn;
  /** The last in its group. */
  #lastUsed: Question | undefined;
  #nextUseMs = Number.NEGATIVE_INFINITY;

  constructor(watch: WatchDestination, clock: Clock, limits: WatchLimits = DEFAULT_WATCH_LIMITS) {
    this.#watch = watch;
    this.#clock = clock;
    this.#limits = limits;
    this.#turn = new RenewalTurn(clock, () => this.#renewNext());
  }

  open(watched: WatchedTarget): BoundedWatch {
    const question: Question = { ...watched, state: { kind: "queued" }, answer: undefined, waiting: new Set() };
    this.#move(question, { kind: "queued" });
    this.#askNext();
    return {
      close: () => this.#close(question),
      renew: () => this.#renew(question),
      use: () => this.#use(question),
    };
  }

  #renew(question: Question): Promise<void> | undefined {
    const { state } = question;
    if (state.kind === "closed") return undefined;
    if (state.kind === "live") {
      this.#markUsed(question, state.group);
      return undefined;
    }
    const renewed = new Promise<void>((resolve) => question.waiting.add(resolve));
    if (state.kind === "resting" || state.kind === "wanted") this.#renewNow(question);
    return renewed;
  }

  #use(question: Question): void {
    const { state } = question;
    if (state.kind === "live") this.#markUsed(question, state.group);
    if (state.kind !== "resting") return;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextUseMs) {
      this.#move(question, { kind: "wanted" });
      this.#turn.start();
      return;
    }
    this.#nextUseMs = nowMs + USE_INTERVAL_MS;
    this.#renewNow(question);
  }

  /** Each request comes here: a question that was used last stays where it is. */
  #markUsed(question: Question, group: "mesh" | "outside"): void {
    if (this.#lastUsed === question) return;
    this.#lastUsed = question;
    this.#groups[group].delete(question);
    this.#groups[group].add(question);
  }

  #renewNow(question: Question): void {
    this.#askAgain([question]);
    this.#turn.start();
  }

  #askAgain(questions: readonly Question[]): void {
    for (const question of questions) this.#move(question, { kind: "queued" });
    this.#askNext();
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
    const isAsking = question.state.kind === "asking";
    this.#move(question, { kind: "live", watch, group });
    const isRenewed = isAsking && isRenewal(question);
    const isNew = !isDeepStrictEqual(question.answer, destination);
    question.answer = destination;
    if (isNew && isRenewed) this.#turn.quicken();
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
    if (question.isInUse()) this.#turn.start();
  }

  #renewNext(): void {
    const lateMs = this.#clock.monotonicMs() - RENEWAL_TIMEOUT_MS;
    for (const question of this.#groups.asking) {
      const { state } = question;
      if (isRenewal(question) && state.kind === "asking" && state.sinceMs <= lateMs) this.#rest(question);
    }
    this.#askAgain(this.#groups.queued.size === 0 ? this.#nextInTurn() : []);
    const { asking, queued } = this.#groups;
    if ([...asking, ...queued].some(isRenewal) || this.#nextInTurn().length > 0) this.#turn.start();
  }

  /** Those that were used since they lost their stream, then those that are in use, each oldest first. */
  #nextInTurn(): readonly Question[] {
    const next: Question[] = [];
    for (const question of this.#groups.wanted) {
      if (next.length < RENEWED_PER_STEP) next.push(question);
    }
    for (const question of this.#groups.resting) {
      if (next.length >= RENEWED_PER_STEP) break;
      if (question.isInUse()) next.push(question);
    }
    return next;
  }

  #close(question: Question): void {
    closeStream(question.state);
    this.#move(question, { kind: "closed" });
    settle(question);
    this.#askNext();
    const { resting, wanted, queued, asking } = this.#groups;
    if (resting.size + wanted.size + queued.size + asking.size === 0) this.#turn.stop();
  }

  /** Moves it to the end of its new group. */
  #move(question: Question, state: State): void {
    for (const group of Object.values(this.#groups)) group.delete(question);
    question.state = state;
    if (state.kind === "live") {
      this.#groups[state.group].add(question);
      this.#lastUsed = question;
    } else if (state.kind !== "closed") {
      this.#groups[state.kind].add(question);
    }
  }
}

/** Whether it has a response, and is or will be queried again. */
function isRenewal({ answer }: Question): boolean {
  return answer !== undefined;
}

function settle({ waiting }: Question): void {
  for (const resolve of waiting) resolve();
  waiting.clear();
}

function closeStream(state: State): void {
  if (state.kind === "asking" || state.kind === "live") state.watch.close();
}
