import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { combineReplicas, formatReplicaReport, parseReplicaReport, type ReplicaReport } from "./replica-report.ts";

const ROOT = "AB:".repeat(31).concat("CD");
const OTHER = "01:".repeat(31).concat("23");

function report(changes: Partial<ReplicaReport> = {}, connected = 3): ReplicaReport {
  const sidecars = {
    ...{ connected, tenants: { identities: 2, namespaces: 1 } },
    ...{ trusting: new Map([[ROOT, 2]]), holding: new Map([[OTHER, connected]]) },
    rejecting: new Map([[ROOT, { sidecars: 1, identities: 1, namespaces: 0 }]]),
  };
  return { revision: 4, countingForMs: 5000, otherLeavesForMs: 0, sidecars, ...changes };
}

describe("a report", () => {
  it("is read as it was written", () => {
    expect(parseReplicaReport(formatReplicaReport(report()))).toEqual(report());
  });

  it.each([
    { name: "absent", text: undefined },
    { name: "empty", text: "" },
    { name: "no JSON", text: "{" },
    { name: "null", text: "null" },
    { name: "too long", text: " ".repeat(40_000) + formatReplicaReport(report()) },
    ...[
      "revision",
      "countingForMs",
      "otherLeavesForMs",
      "connected",
      "tenants",
      "rejecting",
      "trusting",
      "holding",
    ].map((field) => ({
      name: `without ${field}`,
      text: JSON.stringify({ ...JSON.parse(formatReplicaReport(report())), [field]: undefined }),
    })),
    ...[{ [ROOT]: 1 }, { [ROOT]: { sidecars: 1 } }, { root: { sidecars: 1, identities: 1, namespaces: 1 } }].map(
      (rejecting) => ({
        name: `with ${JSON.stringify(rejecting)} as rejections`,
        text: JSON.stringify({ ...JSON.parse(formatReplicaReport(report())), rejecting }),
      }),
    ),
    ...[-1, 1.5, "3", null, 2 ** 60].map((value) => ({
      name: `with ${JSON.stringify(value)} sidecars`,
      text: JSON.stringify({ ...JSON.parse(formatReplicaReport(report())), connected: value }),
    })),
    ...[{ root: 1 }, { [ROOT]: -1 }, { [ROOT.toLowerCase()]: 1 }, [], "", { [`${ROOT}:AB`]: 1 }].map((value) => ({
      name: `with ${JSON.stringify(value)} as counts`,
      text: JSON.stringify({ ...JSON.parse(formatReplicaReport(report())), trusting: value }),
    })),
    {
      name: "with too many roots",
      text: JSON.stringify({
        ...JSON.parse(formatReplicaReport(report())),
        holding: Object.fromEntries(
          Array.from({ length: 129 }, (_, index) => [
            `${"00:".repeat(31)}${(0x100 + index).toString(16).slice(1)}`.toUpperCase(),
            1,
          ]),
        ),
      }),
    },
  ])("that is $name is refused", ({ text }) => {
    expect(parseReplicaReport(text)).toBeUndefined();
  });

  it("never throws, and has no counts that were not in it", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(parseReplicaReport(text)).toBeUndefined();
      }),
    );
  });
});

describe("the reports of all control planes", () => {
  it("are added up", () => {
    const replicas = [report(), report({ countingForMs: 2000 }, 5)].map(
      (one) => ({ kind: "live", report: one }) as const,
    );
    expect(combineReplicas(replicas, { revision: 4 })).toEqual({
      replicas: { live: 2, following: 2, lost: 0, otherLeavesForMs: 0 },
      sidecars: {
        connected: 8,
        trusting: new Map([[ROOT, 4]]),
        holding: new Map([[OTHER, 8]]),
        rejecting: new Map([[ROOT, 2]]),
      },
      rejectedRoots: new Set(),
      completeForMs: 2000,
    });
  });

  it("show which control planes have another state in force, cannot be understood, or are silent", () => {
    const replicas = [
      { kind: "live", report: report() },
      { kind: "live", report: report({ revision: 3 }) },
      { kind: "unreadable" },
      { kind: "lost" },
    ] as const;
    const { replicas: counts } = combineReplicas(replicas, { revision: 4 });
    expect(counts).toEqual({ live: 3, following: 1, lost: 1, otherLeavesForMs: 0 });
  });

  it("show how long leaves of another root may be valid", () => {
    const replicas = [0, 9000, 700].map(
      (otherLeavesForMs) => ({ kind: "live", report: report({ otherLeavesForMs }) }) as const,
    );
    expect(combineReplicas(replicas, { revision: 4 }).replicas.otherLeavesForMs).toBe(9000);
  });

  it("of none are no evidence", () => {
    const { replicas } = combineReplicas([], { revision: 0 });
    expect(replicas).toEqual({ live: 0, following: 0, lost: 0, otherLeavesForMs: 0 });
  });
});
