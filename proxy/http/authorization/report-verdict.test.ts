import { describe, expect, it } from "vitest";
import type { AuthorizationVerdict } from "../../../mesh/policy/authorization/authorization.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { denialReply } from "./denial-reply.ts";
import { reportVerdict } from "./report-verdict.ts";

const CLIENT = { client: "10.0.0.1:4000", destination: "10.0.0.2:80", peer: "spiffe://cluster.local/ns/a/sa/b" };

function report(verdict: Partial<AuthorizationVerdict>, isGranted = true) {
  const counted: AuthorizationVerdict[] = [];
  const log = new RecordingLogger();
  const whole = { kind: "denied", ruleId: "none", isAudited: false, dryRun: {}, ...verdict } as const;
  reportVerdict(whole, CLIENT, {
    meters: { countVerdict: (each) => void counted.push(each) },
    log,
    limitLog: () => ({ isGranted, heldBack: 3 }),
  });
  return { counted, lines: log.records.map(({ fields }) => fields) };
}

describe("the report of a verdict", () => {
  it("names peer and rule of a denial", () => {
    const { counted, lines } = report({ ruleId: "ns[a]-policy[p]-rule[0]" });
    expect(counted).toHaveLength(1);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ ...CLIENT, rule: "ns[a]-policy[p]-rule[0]", heldBack: 3 });
  });

  it.each([
    { name: "an allowed request", verdict: { kind: "allowed" }, isGranted: true },
    { name: "a denial beyond the limit of lines", verdict: {}, isGranted: false },
  ] as const)("only counts $name", ({ verdict, isGranted }) => {
    const { counted, lines } = report(verdict, isGranted);
    expect([counted.length, lines.length]).toEqual([1, 0]);
  });
});

describe("the reply to a denied request", () => {
  it("has Istio's text, and the rule in the details of the log alone", () => {
    expect(denialReply({ ruleId: "ns[a]-policy[only\thello x]-rule[0]" })).toEqual({
      status: 403,
      grpcStatus: 7,
      flags: "-",
      details: "rbac_access_denied_matched_policy[ns[a]-policy[only_hello_x]-rule[0]]",
      body: "RBAC: access denied",
    });
  });
});
