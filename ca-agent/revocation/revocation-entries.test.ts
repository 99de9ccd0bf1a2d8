import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { ControlState, Revocation, RevocationTarget } from "../control/control-state.ts";
import { addRevocations, dropExpired, isInForce, keyOfTarget, liftRevocation } from "./revocation-entries.ts";

const NOW_MS = Date.parse("2030-01-01T00:00:00Z");
const HOUR_MS = 3_600_000;
const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");

function entry(what: RevocationTarget, more: Partial<Revocation> = {}): Revocation {
  return { what, revokedAt: "2029-12-31T00:00:00Z", ...more };
}

const serial = (serialNumber: string): RevocationTarget => ({ kind: "serial", serialNumber });
const pod = (name: string, uid?: string): RevocationTarget => ({
  kind: "pod",
  namespace: "ns1",
  name,
  ...(uid && { uid }),
});
const until = (ms: number): Partial<Revocation> => ({ expiresAt: new Date(ms).toISOString() });

function stateOf(...revocations: readonly Revocation[]): ControlState {
  return { revocations, rotation: undefined };
}

describe("an entry", () => {
  it("is in force until an hour after the certificate's end, because clocks differ", () => {
    const expiring = entry(serial("A"), until(NOW_MS));
    expect(isInForce(expiring, NOW_MS + HOUR_MS)).toBe(true);
    expect(isInForce(expiring, NOW_MS + 2 * HOUR_MS)).toBe(false);
    expect(isInForce(entry(serial("A")), NOW_MS + 1000 * HOUR_MS)).toBe(true);
  });
});

describe("adding", () => {
  it("keeps what is there, also what has expired by the operator's clock", () => {
    const state = stateOf(entry(serial("A")), entry(serial("B"), until(NOW_MS - 2 * HOUR_MS)));
    const { revocations } = addRevocations(state, [entry({ kind: "identity", identity })], NOW_MS);
    expect(revocations.map(({ what }) => keyOfTarget(what))).toEqual(["serial A", "serial B", `identity ${identity}`]);
  });

  it("changes nothing if it is revoked already", () => {
    const state = stateOf(entry(serial("A"), { reason: "stolen" }));
    expect(addRevocations(state, [entry(serial("A"))], NOW_MS)).toBe(state);
  });

  it("renews what has expired", () => {
    const state = stateOf(entry(serial("A"), until(NOW_MS - 2 * HOUR_MS)));
    expect(addRevocations(state, [entry(serial("A"))], NOW_MS).revocations).toEqual([entry(serial("A"))]);
  });
});

describe("dropping", () => {
  it("leaves what is in force, and changes nothing where nothing has expired", () => {
    const kept = stateOf(entry(serial("A")), entry(serial("B"), until(NOW_MS)));
    const state = stateOf(...kept.revocations, entry(serial("C"), until(NOW_MS - 2 * HOUR_MS)));
    expect(dropExpired(state, NOW_MS)).toEqual(kept);
    expect(dropExpired(kept, NOW_MS)).toBe(kept);
  });
});

describe("lifting", () => {
  const state = stateOf(
    ...[entry(serial("A")), entry(serial("B")), entry({ kind: "identity", identity })],
    ...[entry(pod("hello", "u1")), entry(pod("hello", "u2")), entry(pod("world"))],
  );

  it.each([
    { name: "a certificate", target: serial("A"), lifted: ["serial A"] },
    { name: "an identity", target: { kind: "identity", identity } as const, lifted: [`identity ${identity}`] },
    { name: "every pod of a name", target: pod("hello"), lifted: ["pod ns1/hello u1", "pod ns1/hello u2"] },
    { name: "one pod", target: pod("hello", "u2"), lifted: ["pod ns1/hello u2"] },
    { name: "a pod that was revoked by its name", target: pod("world", "u3"), lifted: ["pod ns1/world "] },
  ])("$name leaves the others", ({ target, lifted }) => {
    const left = liftRevocation(state, target).revocations;
    expect(state.revocations.filter((one) => !left.includes(one)).map(({ what }) => keyOfTarget(what))).toEqual(lifted);
  });

  it("changes nothing if it was not revoked", () => {
    expect(liftRevocation(state, serial("F"))).toBe(state);
    expect(liftRevocation(state, pod("other"))).toBe(state);
  });
});
