import type { Clock } from "../mesh/runtime.ts";

/**
 * A time by both clocks. The wall clock catches up after a machine was suspended; the monotonic one is not changed by a wall
 * clock that is set.
 */
export interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { wallMs: clock.now(), monotonicMs: clock.monotonicMs() };
}

/** The moment that comes after this time. */
export function momentAfter(now: Moment, waitMs: number): Moment {
  return { wallMs: now.wallMs + waitMs, monotonicMs: now.monotonicMs + waitMs };
}

/** The time until a moment, by the clock that comes to it first. */
export function untilMoment(moment: Moment, now: Moment): number {
  return Math.min(moment.wallMs - now.wallMs, moment.monotonicMs - now.monotonicMs);
}

/** The time since a moment, by the clock by which it was longer ago. */
export function sinceMoment(moment: Moment, now: Moment): number {
  return Math.max(now.wallMs - moment.wallMs, now.monotonicMs - moment.monotonicMs);
}
