import type { Random } from "../../mesh/runtime.ts";
import { type Moment, momentAfter, untilMoment } from "../../net/moment.ts";
import type { RefusedRenewals } from "./refused-renewals.ts";
import { decideSupersededRotation, type HeldSvid, type SvidFit, type SvidState } from "./svid-state.ts";

/** How often the wall clock is checked: timers do not run while a machine is suspended, but certificates expire. */
const MAX_WAIT_MS = 10_000;

/** How long until the state has to be looked at again: for the next attempt, or the certificate's end. */
export function decideWake(state: Exclude<SvidState, { kind: "stopped" }>, now: Moment): number {
  // By elapsed time: a wall clock that is set back must not delay an attempt.
  if (state.kind === "retrying") return state.waitMs;
  const endMs = state.held === undefined || state.held.notAfterMs < now.wallMs ? Infinity : state.held.notAfterMs + 1;
  const renewMs = state.kind === "resting" ? untilMoment(state.renewAt, now) : Infinity;
  return Math.max(0, Math.min(renewMs, endMs - now.wallMs, MAX_WAIT_MS));
}

/** Whether the next attempt has to begin, when the state is looked at after `decideWake`. */
export function isAttemptDue(state: SvidState, now: Moment): boolean {
  return state.kind === "retrying" || (state.kind === "resting" && untilMoment(state.renewAt, now) <= 0);
}

/** When a certificate is renewed that fits the trust bundle so. */
export function decideRenewal(
  { notAfterMs, halfLife }: HeldSvid,
  fit: SvidFit,
  now: Moment,
  { random, refused }: { readonly random: Random; readonly refused: RefusedRenewals },
): Moment {
  switch (fit) {
    case "current":
      return halfLife;
    case "superseded": {
      const waitMs = decideSupersededRotation(notAfterMs, now.wallMs, random());
      return untilMoment(halfLife, now) <= waitMs ? halfLife : momentAfter(now, waitMs);
    }
    default:
      return momentAfter(now, refused.nextMs(fit));
  }
}
