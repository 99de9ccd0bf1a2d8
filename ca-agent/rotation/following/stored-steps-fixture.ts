/** For tests: the steps of a rotation in the Secret, as any control plane takes them, and who has them in force. */
import { randomBytes } from "node:crypto";
import { InProcessApi } from "../../../kubernetes/test-server/in-process-api.ts";
import { NAMESPACE, type Replica, type SecretHarness } from "../../authority/secrets/secret-authority-fixture.ts";
import type { RotationPlan } from "../plan-rotation.ts";
import { HOUR_MS, TRUST_DOMAIN } from "../rotation-fixture.ts";
import { createRotationLimits } from "../rotation-limits.ts";
import { type RotationState, trustedRoots } from "../rotation-state.ts";
import { createSecretStore } from "../storage/secret-store.ts";
import { takeStep } from "../take-step.ts";

export type StepPlan = Exclude<RotationPlan, { kind: "wait" }>;

export const PUBLISH = { kind: "step", to: "published", cause: "request" } as const;
export const ACTIVATE = { kind: "step", to: "signing" } as const;
export const RETIRE = { kind: "step", to: "steady" } as const;
export const ROLL_BACK = { kind: "roll_back", reason: "a test" } as const;

/** One step by any control plane, as its leader takes it. */
export async function takeStoredStep({ cluster, clock }: SecretHarness, plan: StepPlan): Promise<RotationState> {
  const store = createSecretStore({ api: new InProcessApi(cluster), namespace: NAMESPACE });
  const stored = await store.read();
  if (stored.kind !== "root") throw new TypeError(`the store is ${stored.kind}`);
  const limits = createRotationLimits(HOUR_MS);
  const deps = { trustDomain: TRUST_DOMAIN, clock, randomBytes, limits, phaseMs: 0, request: undefined };
  const next = await takeStep(stored.state, plan, deps);
  const outcome = await store.swap(stored, next);
  if (outcome !== "stored") throw new Error(`the step is not stored: ${outcome}`);
  return next;
}

/** Waits until a control plane has a state in force. */
export async function untilInForce(
  harness: SecretHarness,
  { authority }: Replica,
  { revision }: RotationState,
): Promise<void> {
  while (authority.revision() !== revision) await harness.pass(100);
}

export const inForce = ({ authority }: Replica) => ({ roots: authority.roots(), signs: authority.signingRoot() });
export const wanted = (state: RotationState) => ({ roots: trustedRoots(state), signs: state.current.certificatePem });
