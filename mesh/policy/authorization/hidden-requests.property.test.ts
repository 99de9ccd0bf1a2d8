import fc from "fast-check";
import { expect, it } from "vitest";
import type { AuthorizationCondition, AuthorizationPolicyRules } from "./authorization.ts";
import { connectionOf, peerOf, requestOf } from "./authorization-fixture.ts";
import { authorizeConnection, compileAuthorization } from "./decide-authorization.ts";

/** Of a connection, of a request, and one that no proxy knows. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  "source.namespace": ["foo", "b*"],
  "source.principal": ["cluster.local/ns/foo/sa/curl", "*"],
  "source.ip": ["10.1.0.0/16", "192.0.2.7"],
  "destination.port": ["8080", "9000"],
  "request.method": ["GET", "*"],
  "request.path": ["/a", "/a/*"],
  "request.host": ["a.example"],
  "request.auth.principal": ["*"],
  "request.headers[x-role]": ["admin"],
  "from.the.future": ["a"],
};

const condition: fc.Arbitrary<AuthorizationCondition> = fc.constantFrom(...Object.keys(VALUES)).chain((key) => {
  const values = fc.subarray([...(VALUES[key] ?? [])]);
  return fc.record({ key: fc.constant(key), values, notValues: values });
});
const clauses = fc.array(fc.array(condition, { maxLength: 2 }), { maxLength: 2 });
const rule = fc.record({ from: clauses, to: clauses, when: fc.array(condition, { maxLength: 1 }) });
const policies: fc.Arbitrary<readonly AuthorizationPolicyRules[]> = fc.array(
  fc.record({
    namespace: fc.constant("foo"),
    name: fc.constantFrom("a", "b", "c"),
    action: fc.constantFrom("ALLOW", "DENY", "CUSTOM", "AUDIT"),
    provider: fc.constant("opa"),
    isDryRun: fc.constant(false),
    rules: fc.array(rule, { maxLength: 3 }),
  }),
  { maxLength: 3 },
);
const connection = fc.record({
  peer: fc.constantFrom(undefined, peerOf("cluster.local/ns/foo/sa/curl"), peerOf("cluster.local/ns/bar/sa/x")),
  sourceIp: fc.constantFrom("10.1.0.7", "192.0.2.7", "192.0.2.8"),
  destinationPort: fc.constantFrom(8080, 9000, 80),
});
const request = fc.record({
  method: fc.constantFrom("GET", "POST"),
  path: fc.constantFrom("/a", "/a/b", "/c"),
  authority: fc.constantFrom("a.example", "b.example", ""),
  headers: fc.constantFrom({}, { "x-role": ["admin"] }),
});

it("nothing is gained by hiding requests in a stream: what policies allow as a stream, they allow in any request", () => {
  let allowed = 0;
  fc.assert(
    fc.property(policies, connection, fc.array(request, { minLength: 1, maxLength: 6 }), (given, client, requests) => {
      const judge = authorizeConnection(compileAuthorization({ policies: given }), connectionOf(client));
      if (judge.decideStream().kind === "denied") return;
      allowed += 1;
      for (const each of requests) expect(judge.decideRequest(requestOf(each)).kind).toBe("allowed");
    }),
    { numRuns: 3000 },
  );
  expect(allowed).toBeGreaterThan(300);
});
