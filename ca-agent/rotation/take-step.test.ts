import { randomBytes, X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import {
  DAY_MS,
  LIMITS,
  NEW,
  NOW_MS,
  OLD,
  PUBLISHED,
  SIGNING,
  STEADY,
  TRUST_DOMAIN,
  WITHDRAWING,
} from "./rotation-fixture.ts";
import { fingerprintOf, type RotationState } from "./rotation-state.ts";
import { findRootFault, type StepDeps, takeStep } from "./take-step.ts";

const clock = new FakeClock(NOW_MS);
const deps: StepDeps = {
  ...{ trustDomain: TRUST_DOMAIN, clock, randomBytes, limits: LIMITS, phaseMs: 0 },
  request: { kind: "rotate", requestId: "one" },
};
const unusable = mintRoot({ notBefore: new Date("2019-01-01"), notAfter: new Date("2020-01-01") });
const expired = { certificatePem: unusable.pem, keyPem: unusable.keyPem };

describe("a step", () => {
  it("publishes a new root of the same trust domain", async () => {
    const next = await takeStep(STEADY, { kind: "step", to: "published", cause: "request" }, deps);
    expect(next).toMatchObject({
      kind: "published",
      current: OLD,
      sinceMs: NOW_MS,
      cause: "request",
      requestId: "one",
    });
    expect(next.kind === "published" && fingerprintOf(next.next.certificatePem)).not.toBe(
      fingerprintOf(OLD.certificatePem),
    );
  });

  it("gives a new root the time after the clocks were compared: one of them may be set meanwhile", async () => {
    const set = new FakeClock(NOW_MS + 3 * DAY_MS);
    const compareClock = async (): Promise<number> => {
      set.jump(-3 * DAY_MS);
      return 0;
    };
    const plan = { kind: "step", to: "published", cause: "request" } as const;
    const next = await takeStep(STEADY, plan, { ...deps, clock: set, compareClock });
    expect(next).toMatchObject({ kind: "published", sinceMs: NOW_MS });
    const { certificatePem } = next.kind === "published" ? next.next : OLD;
    expect(new X509Certificate(certificatePem).validFromDate.getTime()).toBeLessThanOrEqual(NOW_MS);
  });

  it("lets the new root sign, with its certificate by the old one", async () => {
    const next = await takeStep(PUBLISHED, { kind: "step", to: "signing" }, deps);
    expect(next).toMatchObject({ kind: "signing", current: NEW, previous: OLD, sinceMs: NOW_MS });
    expect(next.kind === "signing" && next.crossSignedPem).toContain("BEGIN CERTIFICATE");
    expect(next.kind === "signing" && next.leavesEndMs).toBeGreaterThan(DAY_MS);
  });

  it.each([
    { name: "retires the old root", state: SIGNING, current: NEW, requestId: "one" },
    // What was asked meanwhile is carried out afterwards.
    { name: "retires a root that was withdrawn", state: WITHDRAWING, current: OLD, requestId: undefined },
  ])("$name", async ({ state, current, requestId }) => {
    const next = await takeStep(state, { kind: "step", to: "steady" }, deps);
    expect(next).toMatchObject({ kind: "steady", current, requestId });
  });

  it.each([
    { name: "published", state: PUBLISHED, kind: "steady" },
    { name: "signing", state: SIGNING, kind: "withdrawing" },
  ])("goes back from $name to the old root", async ({ state, kind }) => {
    expect(await takeStep(state, { kind: "roll_back", reason: "a test" }, deps)).toMatchObject({ kind, current: OLD });
  });

  it.each([SIGNING, WITHDRAWING])("confirms $kind", async (state) => {
    const next = await takeStep(state, { kind: "confirm" }, { ...deps, phaseMs: DAY_MS });
    expect(next).toMatchObject({ kind: state.kind, isFollowed: true, leavesEndMs: state.leavesEndMs + DAY_MS });
  });

  it.each([
    { state: STEADY, plan: { kind: "step", to: "signing" } },
    { state: STEADY, plan: { kind: "roll_back", reason: "a test" } },
    { state: STEADY, plan: { kind: "count" } },
    { state: PUBLISHED, plan: { kind: "step", to: "steady" } },
    { state: PUBLISHED, plan: { kind: "confirm" } },
    { state: SIGNING, plan: { kind: "step", to: "signing" } },
    { state: WITHDRAWING, plan: { kind: "roll_back", reason: "a test" } },
  ] as const)("that does not fit is refused: $plan.kind from $state.kind", async ({ state, plan }) => {
    await expect(takeStep(state, plan, deps)).rejects.toThrow(`no step leads from "${state.kind}"`);
  });

  it("to a root that no control plane would accept is refused, so that it is not stored", async () => {
    const broken = { ...PUBLISHED, next: expired };
    await expect(takeStep(broken, { kind: "step", to: "signing" }, deps)).rejects.toThrow("authority_chain");
    const signing = { ...SIGNING, current: expired };
    await expect(takeStep(signing, { kind: "step", to: "steady" }, deps)).rejects.toThrow("has expired");
  });
});

describe("the check of the new root", () => {
  const cases: readonly { readonly name: string; readonly state: RotationState; readonly fault: unknown }[] = [
    { name: "finds nothing in a sound one", state: PUBLISHED, fault: undefined },
    { name: "finds nothing in one that signs", state: SIGNING, fault: undefined },
    { name: "has nothing to do without one", state: STEADY, fault: undefined },
    { name: "has nothing to do when it leaves", state: WITHDRAWING, fault: undefined },
    {
      name: "finds one that has expired",
      state: { ...PUBLISHED, next: expired },
      fault: expect.stringContaining("has expired"),
    },
    {
      name: "finds one that has expired while it signs",
      state: { ...SIGNING, current: expired },
      fault: expect.stringContaining("has expired"),
    },
  ];
  it.each(cases)("$name", async ({ state, fault }) => {
    expect(await findRootFault(state, deps)).toEqual(fault);
  });
});
