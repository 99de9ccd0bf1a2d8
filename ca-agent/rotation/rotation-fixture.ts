/** For tests: roots, states and evidence of rotations. */
import { randomBytes } from "node:crypto";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { createSelfSignedRoot, type RootPair } from "../authority/self-signed-root.ts";
import { crossSignRoot } from "./cross-sign.ts";
import { createRotationLimits } from "./rotation-limits.ts";
import {
  fingerprintOf,
  type PublishedState,
  type RotationEvidence,
  type SidecarTotals,
  type SigningState,
  type SteadyState,
  type WithdrawingState,
} from "./rotation-state.ts";
import { activateNext, publishNext, rollBack, type StepInput } from "./rotation-steps.ts";

export const NOW_MS = Date.parse("2030-01-01T00:00:00Z");
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const LIMITS = createRotationLimits(DAY_MS);
export const INPUT: StepInput = { nowMs: NOW_MS, phaseMs: 0, limits: LIMITS, request: undefined };
export const TRUST_DOMAIN = parseTrustDomain("cluster.local");

export function mintOwnRoot(nowMs = NOW_MS): RootPair {
  return createSelfSignedRoot({ trustDomain: TRUST_DOMAIN, nowMs, randomBytes });
}

export const OLD = mintOwnRoot();
export const NEW = mintOwnRoot();

export const STEADY: SteadyState = {
  ...{ kind: "steady", current: OLD, others: [], revision: 0, requestId: undefined, dropped: [], last: undefined },
};
export const PUBLISHED: PublishedState = publishNext(STEADY, { next: NEW, cause: "request" }, INPUT);
export const SIGNING: SigningState = activateNext(
  PUBLISHED,
  { crossSignedPem: crossSignRoot({ root: NEW, issuer: OLD, nowMs: NOW_MS, randomBytes }) },
  INPUT,
);
export const WITHDRAWING = rollBack(SIGNING, "a test", INPUT) as WithdrawingState;

/** Sidecars of which so many trust, hold and reject each root. */
export function totals(counts: Partial<SidecarTotals> & { readonly connected: number }): SidecarTotals {
  return { trusting: new Map(), holding: new Map(), rejecting: new Map(), ...counts };
}

export function byRoot(...counts: readonly (readonly [RootPair, number])[]): ReadonlyMap<string, number> {
  return new Map(counts.map(([root, count]) => [fingerprintOf(root.certificatePem), count]));
}

/** Two control planes that follow, ten sidecars that are ready for everything. */
export const READY: RotationEvidence = {
  request: undefined,
  sidecars: totals({
    connected: 10,
    trusting: byRoot([OLD, 10], [NEW, 10]),
    holding: byRoot([OLD, 10], [NEW, 10]),
  }),
  rejectedRoots: new Set(),
  replicas: { live: 2, following: 2, lost: 0, otherLeavesForMs: 0 },
  completeForMs: DAY_MS,
  fault: undefined,
};
