import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../identity/spiffe-id.ts";
import type {
  AuthorizationAction,
  AuthorizationAttributes,
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
} from "./authorization.ts";
import { requestOf } from "./authorization-fixture.ts";
import { authorizeConnection, compileAuthorization, decideAuthorization } from "./decide-authorization.ts";
import { decideByReference } from "./reference-fixture.ts";

const PRINCIPALS = ["td/ns/foo/sa/a", "td/ns/bar/sa/a", "other/ns/foo/sa/b"];
const IPS = ["10.1.0.1", "10.2.0.1", "192.0.2.1"];
const PATHS = ["/", "/a", "/a/b", "/a/b/c", "/admin", "/A"];
const HOSTS = ["a.com", "A.com:80", "b.a.com", ""];

/** Values by key, of which some match, some do not, and some (the last of a list) mean nothing. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  "source.principal": [...PRINCIPALS, "*", "td/*", "*/sa/a", "spiffe://td/ns/foo/sa/a", "td/*/foo"],
  "source.namespace": ["foo", "bar", "*", "f*", "*o*", "*o", "x"],
  "source.serviceAccount": ["foo/a", "bar/a", "foo/c"],
  "source.trustDomain": ["td", "other", "*d", "o*", "*"],
  "source.ip": [...IPS, "10.0.0.0/8", "10.2.0.0/16", "0.0.0.0/0", "10.0.0.0/33"],
  "remote.ip": [...IPS, "10.0.0.0/8", "x"],
  "destination.ip": ["10.1.0.8", "10.1.0.0/24"],
  "destination.port": ["80", "8080", "9000", "65536", "80-90"],
  "connection.sni": ["a.com", "*", "*.com", "b*"],
  "request.host": ["a.com", "A.COM", "*.com", "a.com:*", "*", "b*"],
  "request.method": ["GET", "POST", "*", "G*", "get"],
  "request.path": [...PATHS, "*", "/a*", "*/b", "/{*}", "/a/{**}", "/{*}/b/{**}", "/{**}/c", "/{**}/{*}", "/a{*}"],
  "request.headers[x-Role]": ["admin", "*", "us*", "*er", "user,admin"],
  "request.headers[x-team]": ["admin", "user", "*"],
  "request.auth.audiences": ["web", "*", "we*"],
  "request.unknown": ["a"],
};

const condition = fc.constantFrom(...Object.entries(VALUES)).chain(([key, values]) => {
  const list = fc.array(fc.constantFrom(...values), { maxLength: 3 });
  return fc.record({ key: fc.constant(key), values: list, notValues: fc.oneof(fc.constant([]), list) });
});
const FOUND_BY = /principal$|namespace$|port$|host$|path$/;
const UNUSABLE = new Set(["65536", "80-90", "/{**}/{*}", "/a{*}", "*"]);
const portsOf = (values: readonly string[]): readonly string[] =>
  values.map((value) => (/^\d/.test(value) ? value : "1"));

/** A condition that a rule may be found by: of few values that match, so that most rules match nothing. */
const found = fc
  .constantFrom(...Object.entries(VALUES).filter(([key]) => FOUND_BY.test(key)))
  .chain(([key, values]) => {
    const usable = values.filter((value) => !UNUSABLE.has(value));
    const list = fc.array(fc.constantFrom(...usable, "none", "none*"), { minLength: 1, maxLength: 2 });
    return fc.record({
      key: fc.constant(key),
      values: key.endsWith("port") ? list.map(portsOf) : list,
      notValues: fc.constant([]),
    });
  });
const clause = fc.array(condition, { minLength: 1, maxLength: 2 });
const clauses = fc.array(clause, { maxLength: 2 });
const rule: fc.Arbitrary<AuthorizationRule> = fc.record({
  from: clauses,
  to: clauses,
  when: fc.array(condition, { maxLength: 1 }),
});

const action = fc.constantFrom<AuthorizationAction>("ALLOW", "ALLOW", "DENY", "AUDIT", "CUSTOM");
const policy: fc.Arbitrary<AuthorizationPolicyRules> = fc
  .record({
    namespace: fc.constantFrom("foo", "istio-system"),
    name: fc.string({ unit: fc.constantFrom("a", "b", "-"), minLength: 1, maxLength: 3 }),
    action,
    provider: fc.constant("opa"),
    isDryRun: fc.boolean(),
    rules: fc.array(rule, { maxLength: 12 }),
  })
  .map((made) => ({ ...made, isDryRun: made.isDryRun && (made.action === "ALLOW" || made.action === "DENY") }));
const policies = fc.uniqueArray(policy, { maxLength: 5, selector: ({ namespace, name }) => `${namespace}/${name}` });

const connection = fc.record({
  peer: fc.constantFrom(undefined, ...PRINCIPALS.map((name) => parseSpiffeId(`spiffe://${name}`))),
  sourceIp: fc.constantFrom(...IPS),
  remoteIp: fc.constantFrom(...IPS),
  destinationIp: fc.constantFrom("10.1.0.8", "10.1.1.8"),
  destinationPort: fc.constantFrom(80, 8080, 9000),
  sni: fc.constantFrom(undefined, "a.com", "b"),
});
const role = fc.array(fc.constantFrom("admin", "user", "user,admin", ""), { maxLength: 2 });
const audience = fc.constantFrom<unknown>("web", ["api", "web"], "", 5, undefined);
const request = fc
  .record({
    method: fc.constantFrom("GET", "POST"),
    authority: fc.constantFrom(...HOSTS),
    path: fc.tuple(fc.constantFrom(...PATHS), fc.constantFrom("", "?x=/admin")).map((parts) => parts.join("")),
    role,
    team: role,
    aud: audience,
  })
  .map(({ role: lines, team, aud, ...given }) =>
    requestOf({
      ...given,
      headers: { "x-role": lines, "x-team": team },
      token: { issuer: "i", subject: "s", claims: { aud } },
    }),
  );
const attributes: fc.Arbitrary<AuthorizationAttributes> = fc.record({
  connection,
  request: fc.option(request, { nil: undefined, freq: 4 }),
});

function decide(given: readonly AuthorizationPolicyRules[], of: AuthorizationAttributes) {
  return decideAuthorization(compileAuthorization({ policies: given }), of);
}

const DENY = { namespace: "foo", name: "d", action: "DENY", provider: "", isDryRun: false } as const;
const denies = (of: AuthorizationRule, judged: AuthorizationAttributes): boolean =>
  decide([{ ...DENY, rules: [of] }], judged).kind === "denied";

describe("a verdict", () => {
  it("is that of a slow interpreter of the same policies", () => {
    fc.assert(
      fc.property(policies, fc.array(attributes, { minLength: 1, maxLength: 6 }), (given, list) => {
        const compiled = compileAuthorization({ policies: given });
        for (const judged of list) {
          expect(decideAuthorization(compiled, judged)).toEqual(decideByReference(given, judged));
        }
      }),
      { numRuns: 400 },
    );
  });

  it("is that of the interpreter where the rules are found by an index", () => {
    const clausesOf = fc.array(fc.array(found, { minLength: 1, maxLength: 2 }), { maxLength: 2 });
    const many = fc.array(fc.record({ from: clausesOf, to: clausesOf, when: fc.constant([]) }), {
      ...{ minLength: 17, maxLength: 40, size: "max" },
    });
    fc.assert(
      fc.property(many, action, fc.array(attributes, { minLength: 8, maxLength: 8 }), (rules, of, list) => {
        const given = [{ ...DENY, action: of, rules }];
        const compiled = compileAuthorization({ policies: given });
        for (const judged of list) {
          expect(decideAuthorization(compiled, judged)).toEqual(decideByReference(given, judged));
        }
      }),
      { numRuns: 200 },
    );
  });

  it("is the same for a request alone and among others of its connection", () => {
    fc.assert(
      fc.property(policies, connection, fc.array(request, { maxLength: 5 }), (given, of, requests) => {
        const compiled = compileAuthorization({ policies: given });
        const authorization = authorizeConnection(compiled, of);
        for (const one of requests) {
          const alone = decideAuthorization(compiled, { connection: of, request: one });
          expect(authorization.decideRequest(one)).toEqual(alone);
        }
      }),
    );
  });

  it("does not depend on the order of the policies", () => {
    fc.assert(
      fc.property(policies, attributes, (given, judged) => {
        expect(decide(given.toReversed(), judged)).toEqual(decide(given, judged));
      }),
    );
  });

  it("stays the same if the rules of a policy are divided among two", () => {
    fc.assert(
      fc.property(policies, policy, fc.nat(12), attributes, (others, whole, at, judged) => {
        const parts = [
          { ...whole, name: "part-1", rules: whole.rules.slice(0, at) },
          { ...whole, name: "part-2", rules: whole.rules.slice(at) },
        ];
        const { kind, isAudited, dryRun } = decide([...others, ...parts], judged);
        const united = decide([...others, { ...whole, name: "part-0" }], judged);
        expect({ kind, isAudited }).toEqual({ kind: united.kind, isAudited: united.isAudited });
        expect([dryRun.allow?.result, dryRun.deny?.result]).toEqual([
          united.dryRun.allow?.result,
          united.dryRun.deny?.result,
        ]);
      }),
    );
  });

  it("of DENY becomes narrower with a condition, except on a stream, which it cannot be tested on", () => {
    const added: fc.Arbitrary<AuthorizationCondition> = condition;
    fc.assert(
      fc.property(rule, added, attributes, (given, more, judged) => {
        const narrower = { ...given, when: [...given.when, more] };
        if (denies(narrower, judged)) expect(denies(given, judged)).toBe(true);
        if (judged.request === undefined && more.key.startsWith("request.")) {
          expect(denies(narrower, judged)).toBe(denies(given, judged));
        }
      }),
      { numRuns: 300 },
    );
  });

  it("of ALLOW never becomes wider with a condition, whatever it says", () => {
    const ALLOW = { ...DENY, action: "ALLOW" } as const;
    const any = fc.record({
      key: fc.oneof(fc.constantFrom(...Object.keys(VALUES)), fc.string()),
      values: fc.array(fc.string(), { maxLength: 2 }),
      notValues: fc.array(fc.string(), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(rule, any, attributes, (given, more, judged) => {
        const narrower = { ...ALLOW, rules: [{ ...given, when: [...given.when, more] }] };
        if (decide([narrower], judged).kind === "allowed") {
          expect(decide([{ ...ALLOW, rules: [given] }], judged).kind).toBe("allowed");
        }
      }),
      { numRuns: 300 },
    );
  });

  it("does not depend on the case of the host", () => {
    fc.assert(
      fc.property(policies, connection, request, (given, of, one) => {
        const hostOnly = given.filter(({ rules }) => !JSON.stringify(rules).includes("request.headers[host]"));
        const upper = { ...one, authority: one.authority.toUpperCase() };
        expect(decide(hostOnly, { connection: of, request: upper })).toEqual(
          decide(hostOnly, { connection: of, request: one }),
        );
      }),
    );
  });

  it("of DENY on a header's value is not lifted by another line, wherever it stands", () => {
    const lines = fc.array(fc.constantFrom("user", "admin", "", "user,admin"), { maxLength: 4 });
    fc.assert(
      fc.property(lines, (given) => {
        const judged = { connection: CONNECTION, request: requestOf({ headers: { "x-role": given } }) };
        const when = [{ key: "request.headers[X-Role]", values: ["admin"], notValues: [] }];
        expect(denies({ from: [], to: [], when }, judged)).toBe(given.includes("admin"));
      }),
    );
  });
});

const CONNECTION = {
  ...{ peer: undefined, sourceIp: "10.1.0.1", remoteIp: "10.1.0.1" },
  ...{ destinationIp: "10.1.0.8", destinationPort: 80, sni: undefined },
};
