import { type AuthorityFiles, ISTIO_FORM } from "../authority/authority-files.ts";
import { type CompareClock, requireRightClock } from "../authority/root-clock.ts";
import { createSelfSignedRoot } from "../authority/self-signed-root.ts";
import { parseSigningMaterial } from "../authority/signing-material.ts";
import {
  parseTrustedMaterial,
  type TrustedMaterialDeps,
  verifyTestCertificate,
} from "../authority/trusted-material.ts";
import { CaError } from "../ca-error.ts";
import { crossSignRoot } from "./cross-sign.ts";
import type { RotationPlan } from "./plan-rotation.ts";
import type { RotationLimits } from "./rotation-limits.ts";
import type { PublishedState, RotationRequest, RotationState } from "./rotation-state.ts";
import {
  activateNext,
  confirmPhase,
  countPhase,
  publishNext,
  retireRoot,
  rollBack,
  type StepInput,
} from "./rotation-steps.ts";
import { formatOwnAuthority } from "./storage/format-own-authority.ts";
import { readOwnAuthority } from "./storage/own-authority.ts";

/** A plan that changes something. */
type Step = Exclude<RotationPlan, { readonly kind: "wait" }>;

export interface StepDeps extends TrustedMaterialDeps {
  readonly limits: RotationLimits;
  /** As `RotationTime`. */
  readonly phaseMs: number;
  /** The request that is answered by the step. */
  readonly request: RotationRequest | undefined;
  /** Asked before a root is created. @default this process's clock is right */
  readonly compareClock?: CompareClock | undefined;
}

/**
 * Makes the next state by a plan, with its keys and certificates, and checks it as every control plane will that follows
 * it: what they would refuse is never stored. Throws a CaError if a plan does not fit the state, or the check fails.
 */
export async function takeStep(state: RotationState, plan: Step, deps: StepDeps): Promise<RotationState> {
  // Before the time is read: the clock may be set while it is compared.
  if (plan.kind === "step" && plan.to === "published") await requireRightClock(deps.compareClock);
  const next = await createNext(state, plan, deps);
  await parseTrustedMaterial(filesOf(next), deps);
  return next;
}

/**
 * Why the new root of a rotation cannot be used, as a check finds it that signs with it and verifies the result as a
 * sidecar would; undefined: it can, or there is none.
 */
export async function findRootFault(state: RotationState, deps: TrustedMaterialDeps): Promise<string | undefined> {
  const checked = state.kind === "published" ? { ...state, current: state.next, next: state.current } : state;
  if (checked.kind !== "published" && checked.kind !== "signing") return undefined;
  try {
    await parseTrustedMaterial(filesOf(checked), deps);
    return undefined;
  } catch (caught) {
    if (!(caught instanceof CaError)) throw caught;
    return caught.message;
  }
}

async function createNext(state: RotationState, plan: Step, deps: StepDeps): Promise<RotationState> {
  const { limits, phaseMs, request } = deps;
  const input: StepInput = { nowMs: deps.clock.now(), phaseMs, limits, request };
  const isLeaving = state.kind === "signing" || state.kind === "withdrawing";
  const isUndecided = state.kind === "signing" || state.kind === "published";
  if (plan.kind === "roll_back" && isUndecided) return rollBack(state, plan.reason, input);
  if (plan.kind === "count" && state.kind !== "steady") return countPhase(state, input);
  if (plan.kind === "confirm" && isLeaving) return confirmPhase(state, input);
  if (plan.kind !== "step") throw misfit(state, plan.kind);
  if (plan.to === "steady" && isLeaving) return retireRoot(state, input);
  if (plan.to === "published" && state.kind === "steady") {
    const next = createSelfSignedRoot({ ...deps, nowMs: input.nowMs });
    return publishNext(state, { next, cause: plan.cause }, input);
  }
  if (plan.to === "signing" && state.kind === "published") {
    return activateNext(state, { crossSignedPem: await crossSign(state, deps) }, input);
  }
  throw misfit(state, plan.to);
}

function misfit({ kind }: RotationState, to: string): TypeError {
  return new TypeError(`no step leads from "${kind}" to "${to}"`);
}

/** Undefined if the old root may not certify another authority: then only clients that know the new one verify its leaves. */
async function crossSign(state: PublishedState, deps: StepDeps): Promise<string | undefined> {
  const { clock, randomBytes } = deps;
  const { current: issuer, next: root } = state;
  const crossSigned = crossSignRoot({ root, issuer, nowMs: clock.now(), randomBytes });
  const texts = { ...formatOwnAuthority({ ...state, current: root, next: issuer }), [ISTIO_FORM.chain]: crossSigned };
  const material = parseSigningMaterial(filesFrom(texts), clock.now());
  const verdict = await verifyTestCertificate(material, [issuer.certificatePem], deps);
  return verdict.kind === "trusted" ? crossSigned : undefined;
}

function filesOf(state: RotationState): AuthorityFiles {
  return filesFrom(formatOwnAuthority(state));
}

function filesFrom(texts: Readonly<Record<string, string>>): AuthorityFiles {
  const written = Object.entries(texts).filter(([, text]) => text !== "");
  const files = readOwnAuthority({ from: "the next state", locate: (name) => name, texts: new Map(written) });
  if (files === undefined) throw new TypeError("a state has no files");
  return files;
}
