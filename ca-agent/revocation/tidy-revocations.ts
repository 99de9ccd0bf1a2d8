import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import { type ClockLimit, type CompareClock, requireRightClock } from "../authority/root-clock.ts";
import type { ControlState, Revocation } from "../control/control-state.ts";
import type { ControlFollower, ControlStore } from "../control/control-store.ts";
import { WriteBack } from "../control/write-back.ts";
import { isSamePod, type PodName } from "./pod-name.ts";
import { addRevocations, dropExpired } from "./revocation-entries.ts";

/** What a control plane knows of what is revoked. */
export interface RevocationFacts {
  readonly nowMs: number;
  /** The longest lifetime of a certificate. */
  readonly maxLifetimeMs: number;
  /** The pod that has this uid, or else the one that has this name now. */
  findPod(pod: PodName): PodName | "none" | "unknown";
}

/**
 * Gives the entry of a pod an end once the pod is gone: its last certificate can have been issued until then. The entry of
 * a pod that is there has none, whatever another replica has seen. Then drops what has expired. The same object back: there
 * is nothing to do.
 */
export function tidyRevocations(state: ControlState, facts: RevocationFacts): ControlState {
  const revocations = state.revocations.map((revocation) => withEnd(revocation, facts));
  const isSame = revocations.every((revocation, index) => revocation === state.revocations[index]);
  return dropExpired(completePods(isSame ? state : { ...state, revocations }, facts), facts.nowMs);
}

function withEnd(revocation: Revocation, { nowMs, maxLifetimeMs, findPod }: RevocationFacts): Revocation {
  const { expiresAt, ...endless } = revocation;
  const { what } = endless;
  const found = what.kind === "pod" ? findPod(what) : "unknown";
  if (what.kind !== "pod" || found === "unknown") return revocation;
  const isThere = found !== "none" && (isSamePod(found, what) || (what.uid !== undefined && found.uid === what.uid));
  if (isThere) return expiresAt === undefined ? revocation : endless;
  return expiresAt === undefined
    ? { ...revocation, expiresAt: new Date(nowMs + maxLifetimeMs).toISOString() }
    : revocation;
}

/**
 * A pod that an earlier version has revoked by its name alone is revoked by its uid too: peers know it by that. Later pods
 * of the name get no certificate. The same object back: there is nothing to do.
 */
export function completePods(state: ControlState, { nowMs, findPod }: RevocationFacts): ControlState {
  const found = state.revocations.flatMap(({ what, revokedAt, reason }): readonly Revocation[] => {
    const pod = what.kind === "pod" && what.uid === undefined ? findPod(what) : "none";
    if (typeof pod === "string" || pod.uid === undefined) return [];
    return [{ what: { kind: "pod", ...pod }, revokedAt, ...(reason !== undefined && { reason }) }];
  });
  return found.length === 0 ? state : addRevocations(state, found, nowMs);
}

/** A state that people or an earlier version have written gets a revision, by which a backup of it is known as such. */
function withRevisions(state: ControlState): ControlState {
  return state.revisions === undefined ? { ...state } : state;
}

export interface TidyRevocationsDeps {
  readonly control: ControlFollower;
  readonly store: ControlStore;
  readonly facts: () => RevocationFacts;
  /** Asked each time. @default this process's clock is right */
  readonly compareClock?: CompareClock | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const INTERVAL_MS = 3_600_000;

/** Entries outlast their certificate by an hour. What a clock that is wrong by more drops is still needed by all others. */
const TIDYING: ClockLimit = { maxErrorMs: 3_600_000, consequence: "no entry ends by it" };

/** Tidies every hour, each replica at another moment, and completes pods within a second, until the signal aborts. */
export function startTidyRevocations(deps: TidyRevocationsDeps): void {
  const { control, store, facts, compareClock, clock, random, log, signal } = deps;
  let timer: Timer | undefined;
  const wait = (): void => {
    if (!signal.aborted) timer = clock.setTimeout(() => void tidy(), INTERVAL_MS * (0.5 + random()));
  };
  const tidy = async (): Promise<void> => {
    await requireRightClock(compareClock, TIDYING)
      .then(() => store.update((state) => withRevisions(tidyRevocations(state, facts()))))
      .catch(report);
    wait();
  };
  const report = (caught: unknown): void => {
    const { code, message } = MeshError.from(caught);
    if (!signal.aborted) log.warn({ component: "ca-agent", code, reason: message }, "the revocations were not tidied");
  };
  // A tool may keep applying a copy without the uid.
  const completion = new WriteBack({
    ...deps,
    write: () => store.update((state) => completePods(state, facts())),
    onFailed: (caught) => {
      report(caught);
      complete();
    },
  });
  const complete = (): void => {
    if (completePods(control.current(), facts()) !== control.current()) completion.request();
  };
  const unsubscribe = control.subscribe(complete);
  const stop = (): void => {
    timer?.cancel();
    unsubscribe();
  };
  signal.addEventListener("abort", stop, { once: true });
  complete();
  wait();
}
