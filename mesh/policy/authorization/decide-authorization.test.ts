import { describe, expect, it } from "vitest";
import type { AuthorizationPolicyRules } from "./authorization.ts";
import {
  connectionOf,
  peerOf,
  policyOf,
  requestOf,
  type ShortRequest,
  type ShortRule,
} from "./authorization-fixture.ts";
import { authorizeConnection, compileAuthorization, decideAuthorization } from "./decide-authorization.ts";

const ALL: ShortRule = {};
const X: ShortRule = { to: [{ paths: ["/x"] }] };

function decide(policies: readonly AuthorizationPolicyRules[], request: ShortRequest = {}) {
  const attributes = { connection: connectionOf(), request: requestOf(request) };
  return decideAuthorization(compileAuthorization({ policies }), attributes);
}

describe("the rule that a verdict names", () => {
  it("is the first that matches in the order of the ids as text, as in Envoy", () => {
    const rules = Array.from({ length: 11 }, (_, index) => (index === 2 || index === 10 ? ALL : X));
    expect(decide([policyOf("ALLOW", rules)]).ruleId).toBe("ns[foo]-policy[allow]-rule[10]");
    expect(decide([policyOf("DENY", [ALL]), policyOf("DENY", [ALL], { namespace: "bar" })]).ruleId).toBe(
      "ns[bar]-policy[deny]-rule[0]",
    );
  });

  it("is the one that allows, and none if nothing had to", () => {
    expect(decide([policyOf("ALLOW", [X, ALL])])).toMatchObject({
      kind: "allowed",
      ruleId: "ns[foo]-policy[allow]-rule[1]",
    });
    expect(decide([policyOf("DENY", [X])])).toMatchObject({ kind: "allowed", ruleId: "none" });
  });

  it("is CUSTOM's before that of DENY", () => {
    const policies = [policyOf("DENY", [ALL]), policyOf("CUSTOM", [ALL], { provider: "opa" })];
    expect(decide(policies).ruleId).toBe(
      "istio-ext-authz-opa-ns[foo]-policy[custom]-rule[0]-deny-due-to-bad-CUSTOM-action",
    );
  });
});

describe("AUDIT", () => {
  it("asks for a log line and changes no verdict", () => {
    expect(decide([policyOf("AUDIT", [X])], { path: "/x" })).toMatchObject({ kind: "allowed", isAudited: true });
    expect(decide([policyOf("AUDIT", [X])], { path: "/y" })).toMatchObject({ kind: "allowed", isAudited: false });
    const denied = decide([policyOf("AUDIT", [ALL]), policyOf("DENY", [ALL])]);
    expect(denied).toMatchObject({ kind: "denied", isAudited: true });
  });

  it("is not judged where CUSTOM has denied before", () => {
    const policies = [policyOf("AUDIT", [ALL]), policyOf("CUSTOM", [ALL], { provider: "opa" })];
    expect(decide(policies).isAudited).toBe(false);
  });
});

describe("a dry run", () => {
  const dry = { isDryRun: true };

  it("is absent without such policies", () => {
    expect(decide([policyOf("ALLOW", [ALL])]).dryRun).toEqual({});
  });

  it("says what ALLOW and DENY would have decided, each on its own", () => {
    const policies = [policyOf("ALLOW", [X], dry), policyOf("DENY", [X], dry)];
    expect(decide(policies, { path: "/x" })).toEqual({
      ...{ kind: "allowed", ruleId: "none", isAudited: false },
      dryRun: {
        allow: { result: "allowed", ruleId: "ns[foo]-policy[allow]-rule[0]" },
        deny: { result: "denied", ruleId: "ns[foo]-policy[deny]-rule[0]" },
      },
    });
    expect(decide(policies, { path: "/y" })).toEqual({
      ...{ kind: "allowed", ruleId: "none", isAudited: false },
      dryRun: { allow: { result: "denied", ruleId: "none" }, deny: { result: "allowed", ruleId: "none" } },
    });
  });

  it("exists for ALLOW and DENY alone: other policies stay in force", () => {
    expect(decide([policyOf("CUSTOM", [ALL], dry)]).kind).toBe("denied");
    expect(decide([policyOf("AUDIT", [ALL], dry)]).isAudited).toBe(true);
  });
});

describe("a condition that the proxy does not understand", () => {
  const UNUSABLE = [
    { name: "an unknown key", when: { "request.newThing": ["a"] } },
    { name: "a misshapen key", when: { "request.headersX[h]": ["a"] } },
    { name: "a port that is none", to: [{ ports: ["80-90"] }] },
    { name: "a bad block beside one that does not match", from: [{ ipBlocks: ["192.0.2.0/24", "10.0.0.0/99"] }] },
    { name: "no values", when: { "source.ip": [] } },
  ];

  it.each(UNUSABLE)("$name: the rule allows nothing", ({ name: _, ...rule }) => {
    expect(decide([policyOf("ALLOW", [rule])])).toMatchObject({ kind: "denied", ruleId: "none" });
  });

  it.each(UNUSABLE)("$name: the rest of the rule denies", ({ name: _, ...rule }) => {
    const denies = policyOf("DENY", [
      { ...rule, from: [...("from" in rule ? rule.from : []), { namespaces: ["bar"] }] },
    ]);
    const inBar = { connection: connectionOf({ peer: peerOf("td/ns/bar/sa/a") }), request: requestOf() };
    expect(decideAuthorization(compileAuthorization({ policies: [denies] }), inBar).kind).toBe("denied");
    expect(decide([policyOf("DENY", [rule])]).kind).toBe("denied");
  });

  it("does not weaken the other rules of its policy", () => {
    expect(decide([policyOf("ALLOW", [{ when: { "request.newThing": ["a"] } }, X])], { path: "/x" }).kind).toBe(
      "allowed",
    );
  });
});

describe("many rules", () => {
  const FIELDS = {
    "exact paths": (index: number): ShortRule => ({ to: [{ paths: [`/p${index}`] }] }),
    "path prefixes": (index: number): ShortRule => ({ to: [{ paths: [`/p${index}*`] }] }),
    templates: (index: number): ShortRule => ({ to: [{ paths: [`/p${index}/{**}`] }] }),
    hosts: (index: number): ShortRule => ({ to: [{ hosts: [`P${index}.com`] }] }),
    "host prefixes": (index: number): ShortRule => ({ to: [{ hosts: [`p${index}.*`] }] }),
    "service accounts": (index: number): ShortRule => ({ from: [{ serviceAccounts: [`foo/p${index}`] }] }),
    namespaces: (index: number): ShortRule => ({ from: [{ namespaces: [`p${index}`] }] }),
    ports: (index: number): ShortRule => ({ to: [{ ports: [String(1000 + index)] }] }),
    "path suffixes": (index: number): ShortRule => ({ to: [{ paths: [`*p${index}/`] }] }),
  };
  const judged = {
    connection: connectionOf({ peer: peerOf("td/ns/p77/sa/p77"), destinationPort: 1077 }),
    request: requestOf({ path: "/p77/", authority: "p77.com" }),
  };

  it.each(Object.entries(FIELDS))("are told apart by %s", (name, ruleOf) => {
    const rules = Array.from({ length: 1000 }, (_, index) => ruleOf(index));
    const path = name === "exact paths" ? "/p77" : "/p77/";
    const peer = peerOf(name === "service accounts" ? "td/ns/foo/sa/p77" : "td/ns/p77/sa/p77");
    const connection = { ...judged.connection, peer };
    const compiled = compileAuthorization({ policies: [policyOf("ALLOW", rules)] });
    const of = (request: ShortRequest) =>
      decideAuthorization(compiled, { connection, request: requestOf(request) }).ruleId;
    // As text "rule[7]" comes after "rule[77]"; a prefix `/p7` matches, too.
    expect(of({ path, authority: "p77.com" })).toBe("ns[foo]-policy[allow]-rule[77]");
  });

  it("with as many values as a resource can have are compiled", () => {
    const values = Array.from({ length: 512 }, (_, index) => `td/ns/foo/sa/s${index}`);
    const from = Array.from({ length: 512 }, () => ({ principals: values }));
    const compiled = compileAuthorization({ policies: [policyOf("DENY", [{ from }])] });
    const connection = connectionOf({ peer: peerOf("td/ns/foo/sa/s511") });
    expect(authorizeConnection(compiled, connection).decideStream().kind).toBe("denied");
  });
});
