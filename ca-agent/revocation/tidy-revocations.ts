import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import type { ControlState, Revocation } from "../control/control-state.ts";
import type { ControlStore } from "../control/control-store.ts";
import type { PodName } from "./pod-name.ts";
import { addRevocations } from "./revocation-entries.ts";

/** What a control plane knows of what is revoked. */
export interface RevocationFacts {
  readonly nowMs: number;
  /** The longest lifetime of a certificate. */
  readonly maxLifetimeMs: number;
  /** When a certificate expires; undefined if it is not known. */
  findExpiry(serialNumber: string): number | undefined;
  /** Whether there is still such a pod; undefined: nothing is known of pods. */
  isPodThere(pod: PodName): boolean | undefined;
}

/**
 * Drops what no longer matters: expired certificates, and pods that are gone and whose last certificate has expired,
 * whichever that was. A certificate that an operator named without knowing its expiry gets it here. The same object back:
 * there is nothing to do.
 */
export function tidyRevocations(state: ControlState, facts: RevocationFacts): ControlState {
  const revocations = state.revocations.filter((revocation) => !isPodOver(revocation, facts));
  const completed = revocations.map((revocation) => withExpiry(revocation, facts));
  const isSame =
    completed.length === state.revocations.length &&
    completed.every((revocation, index) => revocation === state.revocations[index]);
  return addRevocations(isSame ? state : { ...state, revocations: completed }, [], facts.nowMs);
}

function isPodOver({ what, revokedAt }: Revocation, { nowMs, maxLifetimeMs, isPodThere }: RevocationFacts): boolean {
  if (what.kind !== "pod" || nowMs < Date.parse(revokedAt) + maxLifetimeMs) return false;
  return isPodThere(what) === false;
}

function withExpiry(revocation: Revocation, { findExpiry }: RevocationFacts): Revocation {
  const { what, expiresAt } = revocation;
  if (what.kind !== "serial" || expiresAt !== undefined) return revocation;
  const notAfterMs = findExpiry(what.serialNumber);
  return notAfterMs === undefined ? revocation : { ...revocation, expiresAt: new Date(notAfterMs).toISOString() };
}

export interface TidyRevocationsDeps {
  readonly store: ControlStore;
  readonly facts: () => RevocationFacts;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const INTERVAL_MS = 3_600_000;

/** Tidies every hour, each replica at another moment, until the signal aborts. */
export function startTidyRevocations({ store, facts, clock, random, log, signal }: TidyRevocationsDeps): void {
  let timer: Timer | undefined;
  const wait = (): void => {
    if (!signal.aborted) timer = clock.setTimeout(() => void tidy(), INTERVAL_MS * (0.5 + random()));
  };
  const tidy = async (): Promise<void> => {
    try {
      await store.update((state) => tidyRevocations(state, facts()));
    } catch (caught) {
      const { code, message } = MeshError.from(caught);
      if (!signal.aborted)
        log.warn({ component: "ca-agent", code, reason: message }, "old revocations were not removed");
    }
    wait();
  };
  signal.addEventListener("abort", () => timer?.cancel(), { once: true });
  wait();
}
