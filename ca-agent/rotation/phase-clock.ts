import type { Clock } from "../../mesh/runtime.ts";
import type { RotationState } from "./rotation-state.ts";

/**
 * How long a phase has lasted at least, by the monotonic clocks of those who have seen it: the time that was counted when the
 * state was stored, and since this process has read it first. A wall clock that is set, on this machine or on that of an
 * earlier leader, changes nothing. A restart loses what was not stored yet, so a phase takes longer, never shorter.
 */
export class PhaseClock {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #seen: { readonly name: string; readonly atMs: number } | undefined;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** To be called with each state that is read: from the first call on its time counts. */
  phaseMs(state: RotationState): number {
    const nowMs = this.#clock.monotonicMs();
    const name = nameOf(state);
    if (this.#seen?.name !== name) this.#seen = { name, atMs: nowMs };
    return countedMs(state) + Math.floor(nowMs - this.#seen.atMs);
  }

  /** The same for a state that may be an earlier one, as for a report: it does not count from now on because of that. */
  peekMs(state: RotationState): number {
    const sinceMs = this.#seen?.name === nameOf(state) ? this.#seen.atMs : this.#clock.monotonicMs();
    return countedMs(state) + Math.floor(this.#clock.monotonicMs() - sinceMs);
  }
}

/** How long the phase had lasted when it was stored. */
export function countedMs(state: RotationState): number {
  return state.kind === "steady" ? 0 : state.countedMs;
}

/** Differs for states that were stored one after the other, also after a restored backup. */
function nameOf(state: RotationState): string {
  const since = state.kind === "steady" ? state.last?.atMs : state.sinceMs;
  return JSON.stringify([state.kind, state.revision, since, countedMs(state), state.current.certificatePem]);
}
