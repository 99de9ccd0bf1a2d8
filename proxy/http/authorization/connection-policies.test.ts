import { describe, expect, it } from "vitest";
import { type Authorization, NO_AUTHORIZATION } from "../../../mesh/policy/authorization/authorization.ts";
import { connectionOf, policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import { requestOf } from "../exchange/exchange-fixture.ts";
import { compiledPolicies } from "./compiled-policies.ts";
import { ConnectionPolicies } from "./connection-policies.ts";
import type { JudgedAs } from "./judged-request.ts";
import { lastForwardedAddress } from "./remote-address.ts";

const AS: JudgedAs = { hop: "inbound_verified", written: () => undefined, token: undefined };

/** The judge of one connection, whose policies can be replaced. */
function judge(...policies: Authorization["policies"]) {
  let current: Authorization = { ...NO_AUTHORIZATION, policies };
  const compiled = compiledPolicies(() => current);
  const connection = new ConnectionPolicies(compiled, connectionOf());
  return {
    compiled,
    judgeStream: () => connection.judgeStream()?.kind,
    /** The status of the reply, or `undefined`. @param fields names and values, alternating */
    judge: (...fields: readonly string[]) =>
      connection.judgeRequest(requestOf({ fields: listOf(fields) }), AS, lastForwardedAddress).reply?.status,
    replace: (...next: Authorization["policies"]) => {
      current = { ...current, policies: next };
    },
  };
}

describe("the policies of a connection", () => {
  it("are those of the moment", () => {
    const judged = judge();
    expect([judged.judge(), judged.judgeStream()]).toEqual([undefined, undefined]);
    judged.replace(policyOf("DENY", [{}]));
    expect([judged.judge(), judged.judgeStream()]).toEqual([403, "denied"]);
    judged.replace(policyOf("ALLOW", [{}]));
    expect([judged.judge(), judged.judgeStream()]).toEqual([undefined, "allowed"]);
  });

  it("are compiled once for each version", () => {
    const { compiled, replace } = judge(policyOf("ALLOW", [{}]));
    const first = compiled();
    expect(compiled()).toBe(first);
    replace(policyOf("ALLOW", [{}]));
    expect(compiled()).not.toBe(first);
  });
});

describe("the address of a client in front of proxies", () => {
  const FROM_OUTSIDE = policyOf("ALLOW", [{ from: [{ remoteIpBlocks: ["203.0.113.0/24"] }] }]);

  it.each([
    { name: "is the last one", value: ["198.51.100.7, 203.0.113.9"], status: undefined },
    { name: "is not the first one", value: ["203.0.113.9, 198.51.100.7"], status: 403 },
    { name: "is the last one of several lines", value: ["198.51.100.7", "203.0.113.9"], status: undefined },
    { name: "is the connection's if the last one is not an address", value: ["203.0.113.9, unknown"], status: 403 },
    { name: "is the connection's if it has a port", value: ["203.0.113.9:80"], status: 403 },
    { name: "is the connection's if there is none", value: [], status: 403 },
    { name: "may be IPv4 mapped to IPv6", value: ["::ffff:203.0.113.9"], status: undefined },
  ])("$name", ({ value, status }) => {
    const fields = value.flatMap((one) => ["x-forwarded-for", one]);
    expect(judge(FROM_OUTSIDE).judge(...fields)).toBe(status);
  });

  it("is not that of the TCP peer", () => {
    const peer = policyOf("ALLOW", [{ from: [{ ipBlocks: ["10.1.0.7"] }] }]);
    expect(judge(peer).judge("x-forwarded-for", "203.0.113.9")).toBeUndefined();
    expect(judge(FROM_OUTSIDE).judgeStream()).toBe("denied");
  });
});

describe("a field under another spelling that some servers read as the same name", () => {
  const ON_ROLE = [{ when: { "request.headers[x-role]": ["admin"] } }];

  it.each([
    { name: "by a policy that denies", policies: [policyOf("DENY", ON_ROLE)], status: 400 },
    { name: "by one that allows", policies: [policyOf("ALLOW", [{}]), policyOf("DENY", ON_ROLE)], status: 400 },
    {
      name: "by a policy in dry run alone",
      policies: [policyOf("DENY", ON_ROLE, { isDryRun: true })],
      status: undefined,
    },
    { name: "by an audit alone", policies: [policyOf("AUDIT", ON_ROLE)], status: undefined },
    {
      name: "by both a policy in dry run and one in force",
      policies: [policyOf("DENY", ON_ROLE, { isDryRun: true }), policyOf("DENY", ON_ROLE)],
      status: 400,
    },
    { name: "by none", policies: [policyOf("ALLOW", [{}])], status: undefined },
  ])("is refused where it is asked for: $name", ({ policies, status }) => {
    expect(judge(...policies).judge("x_role", "admin")).toBe(status);
  });
});

it("the fields that policies in force ask for are named, folded", () => {
  const asking = (header: string) => [{ when: { [`request.headers[${header}]`]: ["v"] } }];
  const policies = [policyOf("DENY", asking("X_Role")), policyOf("DENY", asking("x-dry"), { isDryRun: true })];
  const compiled = compiledPolicies(() => ({ ...NO_AUTHORIZATION, policies }));
  expect([...new ConnectionPolicies(compiled, connectionOf()).fieldNames]).toEqual(["x-role"]);
  expect([...new ConnectionPolicies(() => undefined, connectionOf()).fieldNames]).toEqual([]);
});
