import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type {
  Authorization,
  AuthorizationAttributes,
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
} from "../../../mesh/policy/authorization/authorization.ts";
import { peerOf, requestOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { compileAuthorization, decideAuthorization } from "../../../mesh/policy/authorization/decide-authorization.ts";
import { arbitraryAttributes, arbitraryPolicies, arbitraryRule } from "./arbitrary-authorization-fixture.ts";
import { findNearestRule, type NearestRule, ruleOnStreams } from "./nearest-rule.ts";

const decide = (policies: readonly AuthorizationPolicyRules[], attributes: AuthorizationAttributes) =>
  decideAuthorization(compileAuthorization({ policies }), attributes);

/** Removes conditions from one rule of a policy. */
function relax(
  policies: readonly AuthorizationPolicyRules[],
  { name, rule: at }: Pick<NearestRule, "name" | "rule">,
  removed: ReadonlySet<AuthorizationCondition>,
): readonly AuthorizationPolicyRules[] {
  const kept = (clause: readonly AuthorizationCondition[]) => clause.filter((condition) => !removed.has(condition));
  return policies.map((policy) =>
    policy.name !== name
      ? policy
      : {
          ...policy,
          rules: policy.rules.map((rule, index) =>
            index !== at ? rule : { from: rule.from.map(kept), to: rule.to.map(kept), when: kept(rule.when) },
          ),
        },
  );
}

/** All choices of fewer than `size` items. */
function* smallSubsets<Item>(items: readonly Item[], size: number): Generator<readonly Item[]> {
  const [first, ...rest] = items;
  if (size <= 0) return;
  if (first === undefined) {
    yield [];
    return;
  }
  yield* smallSubsets(rest, size);
  for (const subset of smallSubsets(rest, size - 1)) yield [first, ...subset];
}

/** Whether some rule allows with fewer than `size` of its conditions removed, found by trying all of them. */
function canAllowWithFewer(
  policies: readonly AuthorizationPolicyRules[],
  attributes: AuthorizationAttributes,
  size: number,
): boolean {
  return policies
    .filter(({ action, isDryRun }) => action === "ALLOW" && !isDryRun)
    .some(({ name, rules }) =>
      rules.some((rule, index) =>
        [...smallSubsets([...rule.from.flat(), ...rule.to.flat(), ...rule.when], size)].some(
          (removed) => decide(relax(policies, { name, rule: index }, new Set(removed)), attributes).kind === "allowed",
        ),
      ),
    );
}

describe("the nearest rule", () => {
  it("allows without the conditions that differ, and no rule would with fewer", () => {
    fc.assert(
      fc.property(arbitraryPolicies("ALLOW", "ALLOW", "AUDIT"), arbitraryAttributes, (policies, attributes) => {
        fc.pre(decide(policies, attributes).kind === "denied");
        const nearest = findNearestRule({ policies }, attributes);
        if (nearest === undefined) {
          expect(
            policies.some(({ action, isDryRun, rules }) => action === "ALLOW" && !isDryRun && rules.length > 0),
          ).toBe(false);
          return;
        }
        const removed = new Set(nearest.differences.map(({ condition }) => condition));
        const verdict = decide(relax(policies, nearest, removed), attributes);
        expect(verdict).toMatchObject({
          kind: "allowed",
          ruleId: `ns[ns2]-policy[${nearest.name}]-rule[${nearest.rule}]`,
        });
        expect(canAllowWithFewer(policies, attributes, nearest.differences.length)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("has no difference exactly if a rule allows", () => {
    fc.assert(
      fc.property(arbitraryPolicies("ALLOW", "ALLOW", "AUDIT"), arbitraryAttributes, (policies, attributes) => {
        const nearest = findNearestRule({ policies }, attributes);
        const isAllowedByRule = decide(policies, attributes).ruleId !== "none";
        expect(nearest?.differences.length === 0).toBe(isAllowedByRule);
      }),
    );
  });
});

/** Rules of exact values, each key once, so that a request can be changed to have them all. */
const arbitraryExactRule: fc.Arbitrary<AuthorizationRule> = fc
  .record({
    "source.namespace": fc.constantFrom(undefined, "ns1", "ns2"),
    "destination.port": fc.constantFrom(undefined, "8080", "9090"),
    "request.method": fc.constantFrom(undefined, "GET", "POST"),
    "request.path": fc.constantFrom(undefined, "/a", "/b"),
    "request.headers[x]": fc.constantFrom(undefined, "1", "2"),
  })
  .map((values) => {
    const clause = (...keys: readonly (keyof typeof values)[]) =>
      keys.flatMap((key) => (values[key] === undefined ? [] : [{ key, values: [values[key]], notValues: [] }]));
    const entry = (conditions: ReturnType<typeof clause>) => (conditions.length === 0 ? [] : [conditions]);
    return {
      from: entry(clause("source.namespace")),
      to: entry(clause("destination.port", "request.method", "request.path")),
      when: clause("request.headers[x]"),
    };
  });

/** The attributes with what a difference demands. */
function correct(
  attributes: AuthorizationAttributes,
  { condition: { key, values } }: NearestRule["differences"][number],
): AuthorizationAttributes {
  const [value = ""] = values;
  const { connection } = attributes;
  const request = attributes.request ?? requestOf();
  switch (key) {
    case "source.namespace":
      return { request, connection: { ...connection, peer: peerOf(`cluster.local/ns/${value}/sa/x`) } };
    case "destination.port":
      return { request, connection: { ...connection, destinationPort: Number(value) } };
    case "request.method":
      return { connection, request: { ...request, method: value } };
    case "request.path":
      return { connection, request: { ...request, path: value } };
    default:
      return { connection, request: { ...request, headerLines: () => [value] } };
  }
}

it("a request with everything that the nearest rule demands is allowed by it", () => {
  const policies = fc
    .array(arbitraryExactRule, { minLength: 1, maxLength: 3 })
    .map((rules) => [{ namespace: "ns2", name: "p", action: "ALLOW" as const, provider: "", isDryRun: false, rules }]);
  fc.assert(
    fc.property(policies, arbitraryAttributes, (given, attributes) => {
      fc.pre(attributes.request !== undefined);
      const nearest = findNearestRule({ policies: given }, attributes);
      const corrected = (nearest?.differences ?? []).reduce(correct, attributes);
      expect(decide(given, corrected).kind).toBe("allowed");
      const own = given.map((policy) => ({
        ...policy,
        rules: policy.rules.slice(nearest?.rule, (nearest?.rule ?? 0) + 1),
      }));
      expect(decide(own, corrected).kind).toBe("allowed");
    }),
  );
});

describe("a rule on a stream", () => {
  it("is dropped or wider exactly if the decision for streams tests less than the rule says", () => {
    const only = (rule: AuthorizationRule, action: "ALLOW" | "DENY"): Authorization["policies"] => [
      { namespace: "ns2", name: "p", action, provider: "", isDryRun: false, rules: [rule] },
    ];
    const hasHttp = (rule: AuthorizationRule) => JSON.stringify(rule).includes('"request.');
    fc.assert(
      fc.property(arbitraryRule, arbitraryAttributes, (rule, { connection }) => {
        expect(ruleOnStreams({ action: "DENY" }, rule)).toBe(hasHttp(rule) ? "wider" : "same");
        expect(ruleOnStreams({ action: "ALLOW" }, rule)).toBe(hasHttp(rule) ? "dropped" : "same");
        if (hasHttp(rule)) expect(decide(only(rule, "ALLOW"), { connection, request: undefined }).kind).toBe("denied");
      }),
    );
  });
});
