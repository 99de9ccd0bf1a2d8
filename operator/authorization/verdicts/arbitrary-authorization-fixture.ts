/** For property tests: policies and attributes of few values, so that conditions often hold. */
import fc from "fast-check";
import { formatSpiffeId, parseTrustDomain } from "../../../mesh/identity/spiffe-id.ts";
import type {
  AuthorizationAction,
  AuthorizationAttributes,
  AuthorizationCondition,
  AuthorizationPolicyRules,
  AuthorizationRule,
} from "../../../mesh/policy/authorization/authorization.ts";

const VALUES: Readonly<Record<string, readonly string[]>> = {
  "source.namespace": ["ns1", "ns2"],
  "source.principal": ["cluster.local/ns/ns1/sa/a", "*/sa/b"],
  "source.ip": ["10.0.0.1", "10.1.0.0/16"],
  "destination.port": ["8080", "9090"],
  "request.method": ["GET", "POST"],
  "request.path": ["/a", "/b*"],
  "request.headers[x]": ["1", "2"],
  "request.auth.principal": ["i/s", "*"],
};

const arbitraryCondition: fc.Arbitrary<AuthorizationCondition> = fc
  .constantFrom(...Object.entries(VALUES))
  .chain(([key, values]) =>
    fc
      .record({
        key: fc.constant(key),
        values: fc.subarray([...values], { maxLength: 1 }),
        notValues: fc.subarray([...values], { maxLength: 1 }),
      })
      .filter((condition) => condition.values.length + condition.notValues.length > 0),
  );

const arbitraryClause = fc.array(arbitraryCondition, { minLength: 1, maxLength: 2 });

export const arbitraryRule: fc.Arbitrary<AuthorizationRule> = fc.record({
  from: fc.array(arbitraryClause, { maxLength: 2 }),
  to: fc.array(arbitraryClause, { maxLength: 2 }),
  when: fc.array(arbitraryCondition, { maxLength: 1 }),
});

/** Policies p0, p1, … of namespace ns2. */
export function arbitraryPolicies(
  ...actions: readonly AuthorizationAction[]
): fc.Arbitrary<readonly AuthorizationPolicyRules[]> {
  const policy = fc.record({
    action: fc.constantFrom(...actions),
    isDryRun: fc.constantFrom(false, false, true),
    rules: fc.array(arbitraryRule, { maxLength: 2 }),
  });
  return fc
    .array(policy, { maxLength: 3 })
    .map((policies) => policies.map((one, index) => ({ ...one, namespace: "ns2", name: `p${index}`, provider: "" })));
}

const identity = (namespace: string, serviceAccount: string) =>
  formatSpiffeId({ trustDomain: parseTrustDomain("cluster.local"), namespace, serviceAccount });

export const arbitraryAttributes: fc.Arbitrary<AuthorizationAttributes> = fc.record({
  connection: fc.record({
    peer: fc.constantFrom(undefined, identity("ns1", "a"), identity("ns2", "b")),
    sourceIp: fc.constantFrom("10.0.0.1", "10.1.2.3"),
    remoteIp: fc.constant("10.0.0.1"),
    destinationIp: fc.constant("10.2.0.1"),
    destinationPort: fc.constantFrom(8080, 9090),
    sni: fc.constant(undefined),
  }),
  request: fc.option(
    fc.record({
      method: fc.constantFrom("GET", "POST"),
      authority: fc.constant("a"),
      path: fc.constantFrom("/a", "/bc?d"),
      headerLines: fc.constantFrom(
        () => [],
        (name: string) => (name === "x" ? ["1"] : []),
      ),
      token: fc.constantFrom(undefined, { issuer: "i", subject: "s", claims: {} }),
    }),
    { nil: undefined },
  ),
});
