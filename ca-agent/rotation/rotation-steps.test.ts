import { describe, expect, it } from "vitest";
import {
  HOUR_MS,
  INPUT,
  mintOwnRoot,
  NEW,
  NOW_MS,
  OLD,
  PUBLISHED,
  SIGNING,
  STEADY,
  WITHDRAWING,
} from "./rotation-fixture.ts";
import { fingerprintOf, trustedRoots } from "./rotation-state.ts";
import { activateNext, confirmPhase, countPhase, publishNext, retireRoot, rollBack } from "./rotation-steps.ts";

const [old, next] = [OLD.certificatePem, NEW.certificatePem];
const request = { kind: "rotate", requestId: "later" } as const;

describe("the steps of a rotation", () => {
  it("trust both roots in between, the signing one first", () => {
    expect(trustedRoots(STEADY)).toEqual([old]);
    expect(trustedRoots(PUBLISHED)).toEqual([old, next]);
    expect(trustedRoots(SIGNING)).toEqual([next, old]);
    expect(trustedRoots(retireRoot(SIGNING, INPUT))).toEqual([next]);
    expect(trustedRoots(WITHDRAWING)).toEqual([old, next]);
    expect(trustedRoots(retireRoot(WITHDRAWING, INPUT))).toEqual([old]);
    expect(trustedRoots(rollBack(PUBLISHED, "a test", INPUT))).toEqual([old]);
  });

  it("keep roots that an operator has added", () => {
    const others = [mintOwnRoot().certificatePem];
    const published = publishNext({ ...STEADY, others }, { next: NEW, cause: "age" }, INPUT);
    const signing = activateNext(published, { crossSignedPem: undefined }, INPUT);
    const withdrawing = rollBack(signing, "a test", INPUT);
    for (const state of [published, signing, withdrawing, retireRoot(signing, INPUT)]) {
      expect(state.others).toEqual(others);
    }
  });

  it("forget the key of a root that has signed once it is rolled back: it never signs again", () => {
    expect(JSON.stringify(WITHDRAWING)).not.toContain(JSON.stringify(NEW.keyPem));
    expect(JSON.stringify(retireRoot(SIGNING, INPUT))).not.toContain(JSON.stringify(OLD.keyPem));
  });

  it("count, and answer the request that has come meanwhile", () => {
    const states = [PUBLISHED, SIGNING, WITHDRAWING, retireRoot(WITHDRAWING, INPUT)];
    expect(states.map(({ revision }) => revision)).toEqual([1, 2, 3, 4]);
    expect(retireRoot(SIGNING, { ...INPUT, request }).requestId).toBe("later");
    expect(rollBack({ ...PUBLISHED, requestId: "one" }, "a test", INPUT).requestId).toBe("one");
  });

  it("remember how a rotation ended", () => {
    const last = { cause: "request", outcome: "completed", reason: "", atMs: NOW_MS };
    expect(retireRoot(SIGNING, INPUT).last).toEqual(last);
    const rolledBack = { ...last, outcome: "rolled_back", reason: "a test" };
    expect(retireRoot(WITHDRAWING, INPUT).last).toEqual(rolledBack);
    expect(rollBack(PUBLISHED, "a test", INPUT)).toMatchObject({ kind: "steady", current: OLD, last: rolledBack });
  });

  it("remember the roots that have left, over many rotations", () => {
    expect(retireRoot(SIGNING, INPUT).dropped).toEqual([fingerprintOf(old)]);
    expect(retireRoot(WITHDRAWING, INPUT).dropped).toEqual([fingerprintOf(next)]);
    expect(rollBack(PUBLISHED, "a test", INPUT).dropped).toEqual([fingerprintOf(next)]);
    const third = mintOwnRoot();
    const published = publishNext(retireRoot(SIGNING, INPUT), { next: third, cause: "age" }, INPUT);
    expect(published.dropped).toEqual([fingerprintOf(old)]);
    const done = retireRoot(activateNext(published, { crossSignedPem: undefined }, INPUT), INPUT);
    expect(done.dropped).toEqual([fingerprintOf(next), fingerprintOf(old)]);
    const many = { ...SIGNING, dropped: Array.from({ length: 40 }, (_, index) => `${index}`) };
    expect(retireRoot(many, INPUT).dropped).toHaveLength(16);
  });

  it("leave a request to rotate, that comes while a root is withdrawn, for afterwards", () => {
    const input = { ...INPUT, request };
    expect(confirmPhase(WITHDRAWING, input).requestId).toBeUndefined();
    expect(retireRoot(WITHDRAWING, input).requestId).toBeUndefined();
    const goBack = { ...INPUT, request: { kind: "roll_back", requestId: "back" } as const };
    expect(retireRoot(WITHDRAWING, goBack).requestId).toBe("back");
    expect(confirmPhase(SIGNING, input).requestId).toBe("later");
  });

  it("know the end of the other root's leaves once no control plane signs with it", () => {
    const confirmed = confirmPhase(SIGNING, { ...INPUT, phaseMs: HOUR_MS });
    const leavesEndMs = SIGNING.leavesEndMs + HOUR_MS;
    expect(confirmed).toEqual({ ...SIGNING, revision: 3, countedMs: HOUR_MS, isFollowed: true, leavesEndMs });
  });

  it("begin each phase without any time, and store what it has lasted", () => {
    const late = { ...INPUT, phaseMs: HOUR_MS };
    const counted = countPhase(PUBLISHED, late);
    expect(counted).toEqual({ ...PUBLISHED, revision: 2, countedMs: HOUR_MS });
    expect(activateNext(counted, { crossSignedPem: undefined }, late).countedMs).toBe(0);
    expect(rollBack(countPhase(SIGNING, late), "a test", late)).toMatchObject({ countedMs: 0 });
  });
});
