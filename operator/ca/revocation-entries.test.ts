import { describe, expect, it } from "vitest";
import { type ControlState, EMPTY_CONTROL_STATE, type RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { PLAIN } from "../text/palette.ts";
import { at, NOW_MS, proxy, replica, silentReplica } from "./replica-fixture.ts";
import { checkLifting, findCovering } from "./revocation-entries.ts";
import { createRevocationsReport, formatRevocations } from "./revocations-report.ts";

const SERIAL = { kind: "serial", serialNumber: "1A2B" } as const;
const IDENTITY = { kind: "identity", identity: parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/web") } as const;
const POD = { kind: "pod", namespace: "ns1", name: "web" } as const;
const U0 = { ...POD, uid: "u0" } as const;

const entry = (what: RevocationTarget, more: object = {}) => ({ what, revokedAt: at(-1), ...more });
const state = (...revocations: ControlState["revocations"]): ControlState => ({ ...EMPTY_CONTROL_STATE, revocations });

describe("what is revoked already", () => {
  it.each<{ name: string; before: ControlState; what: RevocationTarget; isCovered: boolean }>([
    { name: "nothing", before: state(), what: SERIAL, isCovered: false },
    { name: "something else", before: state(entry(IDENTITY)), what: SERIAL, isCovered: false },
    { name: "the same", before: state(entry(IDENTITY), entry(SERIAL)), what: SERIAL, isCovered: true },
    { name: "the same, long ago", before: state(entry(SERIAL, { expiresAt: at(-2) })), what: SERIAL, isCovered: false },
    { name: "the same pod", before: state(entry(U0)), what: U0, isCovered: true },
    { name: "every pod of its name", before: state(entry(POD)), what: { ...POD, uid: "u1" }, isCovered: false },
    { name: "another pod of its name", before: state(entry(U0)), what: { ...POD, uid: "u1" }, isCovered: false },
    { name: "one pod of the name", before: state(entry(U0)), what: POD, isCovered: false },
  ])("covers a target if it is $name: $isCovered", ({ before, what, isCovered }) => {
    expect(findCovering(before, what, NOW_MS) !== undefined).toBe(isCovered);
  });
});

describe("lifting a revocation", () => {
  it("of a pod removes it whatever its uid, or only that of the given one", () => {
    const both = state(entry(U0), entry({ ...POD, uid: "u1" }), entry(SERIAL));
    const lifted = (what: RevocationTarget) => checkLifting(both, what).map((found) => found.what);
    expect([lifted(POD), lifted(U0)]).toEqual([[U0, { ...POD, uid: "u1" }], [U0]]);
  });

  it.each([
    { before: state(), message: "pod ns1/web is not revoked; nothing is" },
    { before: state(entry(SERIAL)), message: "pod ns1/web is not revoked; revoked is certificate 1A2B" },
  ])("of what is not revoked is refused: $message", ({ before, message }) => {
    expect(() => checkLifting(before, POD)).toThrow(message);
  });
});

describe("the list of revocations", () => {
  const control = state(
    entry(SERIAL, { expiresAt: at(11), reason: "stolen" }),
    entry(IDENTITY, { revokedAt: at(0) }),
    entry({ ...POD, uid: "u1" }),
    entry({ kind: "serial", serialNumber: "DD" }, { expiresAt: at(-2) }),
  );

  it("has those in force, the newest first, and how many proxies are still connected in spite of them", () => {
    const rows = createRevocationsReport(
      control,
      [replica("istiod-a", undefined, [proxy("web"), proxy("other")])],
      NOW_MS,
    );
    expect(rows.map(({ kind, name, connected }) => [kind, name, connected])).toEqual([
      ["identity", IDENTITY.identity, 1],
      ["certificate", "1A2B", 2],
      ["pod", "ns1/web", 1],
    ]);
  });

  it("looks at each proxy once, however many entries there are", () => {
    let looks = 0;
    const counting = (pod: string) => {
      const { certificate, ...others } = proxy(pod);
      const getter = {
        get certificate() {
          looks += 1;
          return certificate;
        },
      };
      return Object.defineProperties({ ...others }, Object.getOwnPropertyDescriptors(getter));
    };
    const replicas = [replica("istiod-a", undefined, [])];
    const proxies = ["a", "b", "c"].map(counting);
    const [first] = replicas;
    if (first?.page.kind !== "read") throw new TypeError();
    const page = { ...first.page, proxies };
    const many = Array.from({ length: 100 }, (_, index) => entry({ kind: "serial", serialNumber: `A${index}` }));
    const rows = createRevocationsReport(state(...many, entry(SERIAL)), [{ ...first, page }], NOW_MS);
    expect(rows.find(({ name }) => name === "1A2B")?.connected).toBe(3);
    expect(looks).toBe(proxies.length);
  });

  it("does not count if no control plane could be asked", () => {
    const rows = createRevocationsReport(control, [silentReplica("istiod-a")], NOW_MS);
    expect(rows.every((row) => !("connected" in row))).toBe(true);
  });

  it("as text says since when, until when and why", () => {
    const rows = createRevocationsReport(control, [replica("istiod-a")], NOW_MS);
    const text = formatRevocations(rows, NOW_MS, PLAIN);
    expect(text).toMatch(/^certificate +1A2B +1h ago +in 11h +0 +stolen$/m);
    expect(text).toMatch(/^identity +spiffe:\/\/cluster\.local\/ns\/ns1\/sa\/web +0s ago +when lifted +0 +-$/m);
    expect(text).toMatch(/^pod +ns1\/web +1h ago +with its pod +0 +-$/m);
    expect(formatRevocations([], NOW_MS, PLAIN)).toBe("nothing is revoked\n");
  });

  it("as text keeps one line for each entry, whatever the reason contains", () => {
    const rows = createRevocationsReport(state(entry(SERIAL, { reason: "a\nb\u001b[2J" })), [], NOW_MS);
    const lines = formatRevocations(rows, NOW_MS, PLAIN).trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(/a b\\x1b\[2J$/);
  });
});
