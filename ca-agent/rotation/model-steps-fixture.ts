/** For tests: the steps of a rotation with roots that were made before, without keys in use. */
import type { RootPair } from "../authority/self-signed-root.ts";
import type { RotationPlan } from "./plan-rotation.ts";
import { mintOwnRoot, STEADY } from "./rotation-fixture.ts";
import { fingerprintOf, type RotationState, trustedRoots } from "./rotation-state.ts";
import { activateNext, confirmPhase, publishNext, retireRoot, rollBack, type StepInput } from "./rotation-steps.ts";

const POOL: readonly RootPair[] = Array.from({ length: 4 }, () => mintOwnRoot());
/** Fingerprints, computed once. */
const NAMES = new Map(
  [STEADY.current, ...POOL].map(({ certificatePem }) => [certificatePem, fingerprintOf(certificatePem)]),
);

/** Of all roots of the model. */
export const ROOT_NAMES: readonly string[] = [...NAMES.values()];

export function nameOf(pem: string): string {
  return NAMES.get(pem) ?? "";
}

/** Of the roots that are trusted in a state. */
export function namesOf(state: RotationState): readonly string[] {
  return trustedRoots(state).map(nameOf);
}

/** Takes the steps of one mesh. */
export class ModelSteps {
  #created = 0;

  /** The state after a plan that changes the phase. */
  take(state: RotationState, plan: RotationPlan, input: StepInput): RotationState {
    if (state.kind === "steady" && plan.kind === "step" && plan.to === "published") {
      const next = POOL.filter((root) => root !== state.current)[this.#created % (POOL.length - 1)];
      this.#created += 1;
      if (next !== undefined) return publishNext(state, { next, cause: plan.cause }, input);
    }
    if (state.kind === "published" || state.kind === "signing") {
      if (plan.kind === "roll_back") return rollBack(state, plan.reason, input);
    }
    if (state.kind === "published" && plan.kind === "step")
      return activateNext(state, { crossSignedPem: undefined }, input);
    if (state.kind === "signing" || state.kind === "withdrawing") {
      return plan.kind === "confirm" ? confirmPhase(state, input) : retireRoot(state, input);
    }
    throw new TypeError(`${plan.kind} does not follow ${state.kind}`);
  }
}
