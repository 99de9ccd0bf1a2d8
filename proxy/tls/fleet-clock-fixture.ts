/** For tests: the clock of a thousand sidecars. */
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import type { Clock, Timer } from "../../mesh/runtime.ts";

interface PendingTimer {
  readonly action: () => void;
  readonly dueMs: number;
  /** Of two that are due at once, the first that was started is the first. */
  readonly order: number;
  isCancelled: boolean;
}

function isBefore(one: PendingTimer, other: PendingTimer): boolean {
  return one.dueMs < other.dueMs || (one.dueMs === other.dueMs && one.order < other.order);
}

/** The timers as a binary heap: each sidecar has some that are due every second. */
class PendingTimers {
  readonly #heap: PendingTimer[] = [];
  #started = 0;

  add(action: () => void, dueMs: number): PendingTimer {
    const timer = { action, dueMs, order: this.#started, isCancelled: false };
    this.#started += 1;
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    for (let above = (at - 1) >> 1; at > 0; above = (at - 1) >> 1) {
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, timer)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = timer;
    return timer;
  }

  /** Removes the next one that is due by then. */
  takeUntil(endMs: number): PendingTimer | undefined {
    for (let first = this.#heap[0]; first !== undefined && first.dueMs <= endMs; first = this.#heap[0]) {
      this.#removeFirst();
      if (!first.isCancelled) return first;
    }
    return undefined;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const smaller = isRight ? right : left;
      if (isBefore(last, smaller)) break;
      heap[at] = smaller;
      at = isRight ? child + 1 : child;
    }
    heap[at] = last;
  }
}

/** A clock for so many timers that promises are awaited only where an action has made a request. */
export class FleetClock implements Clock {
  readonly #timers = new PendingTimers();
  readonly #countRequests: () => number;
  #aheadMs = Date.parse("2030-01-01T00:00:00Z");
  #elapsedMs = 0;

  constructor(countRequests: () => number) {
    this.#countRequests = countRequests;
  }

  now(): number {
    return Math.round(this.#aheadMs + this.#elapsedMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  setTimeout(action: () => void, delayMs: number): Timer {
    const timer = this.#timers.add(action, this.#elapsedMs + delayMs);
    return {
      cancel: () => {
        timer.isCancelled = true;
      },
    };
  }

  /** The wall clock alone. */
  jump(byMs: number): void {
    this.#aheadMs += byMs;
  }

  async advance(byMs: number): Promise<void> {
    const endMs = this.#elapsedMs + byMs;
    await settlePromises();
    for (let next = this.#timers.takeUntil(endMs); next !== undefined; next = this.#timers.takeUntil(endMs)) {
      this.#elapsedMs = next.dueMs;
      const requests = this.#countRequests();
      next.action();
      if (this.#countRequests() !== requests) await settlePromises();
    }
    this.#elapsedMs = endMs;
  }
}
