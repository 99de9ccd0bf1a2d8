import { describe, expect, it } from "vitest";
import { parseTrustDomain } from "../../identity/spiffe-id.ts";
import type { MeshSettings } from "../../mesh-settings.ts";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
} from "../../resources/resource-set-fixture.ts";
import { connectionOf, peerOf, requestOf } from "./authorization-fixture.ts";
import { compileAuthorization, decideAuthorization } from "./decide-authorization.ts";
import { decideAuthorizationPolicies } from "./select-policies.ts";

const FEDERATED: MeshSettings = {
  ...TEST_SETTINGS,
  trustDomain: parseTrustDomain("here.example"),
  trustDomainAliases: [parseTrustDomain("old.example")],
  caCertificates: [{ kind: "pem", trustDomains: [parseTrustDomain("there.example")], roots: [] }],
};
const ns = "ns/foo/sa/curl";
const [HERE, OLD, THERE] = [`here.example/${ns}`, `old.example/${ns}`, `there.example/${ns}`];

/** The verdict of one policy on a client; `undefined`: one in plaintext. */
function judge(spec: object, client: string | undefined, settings = FEDERATED): string {
  const set = createTestSet(
    testPod({ name: "web", namespace: "foo" }),
    testResource("AuthorizationPolicy", "p", spec, { namespace: "foo" }),
  );
  const decided = decideAuthorizationPolicies({ set, role: "sidecar", settings, pod: findTestPod(set, "foo/web") });
  const connection = connectionOf({ peer: client === undefined ? undefined : peerOf(client) });
  return decideAuthorization(compileAuthorization(decided), { connection, request: requestOf() }).kind;
}

const from = (...sources: readonly object[]) => ({ from: sources.map((source) => ({ source })) });
const when = (key: string, ...values: readonly string[]) => ({ when: [{ key, values }] });

describe("a policy that allows, in a mesh with a foreign trust domain", () => {
  it.each([
    { name: "the foreign principal", rule: from({ principals: [THERE] }), allowed: [THERE] },
    { name: "a prefix of it", rule: from({ principals: ["there.example/ns/foo/*"] }), allowed: [THERE] },
    { name: "the foreign domain", rule: from({ trustDomains: ["there.example"] }), allowed: [THERE] },
    {
      name: "a namespace of the foreign domain",
      rule: from({ namespaces: ["foo"], trustDomains: ["there.example"] }),
      allowed: [THERE],
    },
    { name: "a namespace", rule: from({ namespaces: ["foo"] }), allowed: [HERE, OLD] },
    { name: "a service account", rule: from({ serviceAccounts: ["foo/curl"] }), allowed: [HERE, OLD] },
    { name: "anybody who is authenticated", rule: from({ principals: ["*"] }), allowed: [HERE, OLD] },
    { name: "a principal of any domain", rule: from({ principals: [`*/${ns}`] }), allowed: [HERE, OLD] },
    {
      name: "a namespace of anybody who is authenticated",
      rule: from({ principals: ["*"], namespaces: ["foo"] }),
      allowed: [HERE, OLD],
    },
    {
      name: "a principal of any domain beside a foreign one of another account",
      rule: from({ principals: [`*/${ns}`, "there.example/ns/foo/sa/other"] }),
      allowed: [HERE, OLD],
    },
    {
      name: "a principal of any domain beside the foreign one",
      rule: from({ principals: [`*/${ns}`, THERE] }),
      allowed: [HERE, OLD, THERE],
    },
    {
      name: "a namespace, or the foreign domain",
      rule: from({ namespaces: ["foo"] }, { trustDomains: ["there.example"] }),
      allowed: [HERE, OLD, THERE],
    },
    { name: "a namespace as a condition", rule: when("source.namespace", "foo"), allowed: [HERE, OLD] },
    { name: "the foreign principal as a condition", rule: when("source.principal", THERE), allowed: [THERE] },
    {
      name: "a namespace as a condition of the foreign domain",
      rule: { ...from({ trustDomains: ["there.example"] }), ...when("source.namespace", "foo") },
      allowed: [THERE],
    },
    {
      name: "a namespace, and the foreign domain as a condition",
      rule: { ...from({ namespaces: ["foo"] }), ...when("source.trustDomain", "there.example") },
      allowed: [THERE],
    },
    { name: "everything", rule: {}, allowed: [HERE, OLD, THERE, undefined] },
    { name: "all but a namespace", rule: from({ notNamespaces: ["bar"] }), allowed: [HERE, OLD, THERE, undefined] },
  ])("allows $name to $allowed", ({ rule, allowed }) => {
    const clients = [HERE, OLD, THERE, undefined];
    expect(clients.filter((client) => judge({ rules: [rule] }, client) === "allowed")).toEqual(allowed);
  });
});

it("a policy that denies a namespace denies it of every domain", () => {
  const spec = { action: "DENY", rules: [from({ namespaces: ["foo"] })] };
  expect([HERE, OLD, THERE].map((client) => judge(spec, client))).toEqual(["denied", "denied", "denied"]);
});

it("without a foreign domain policies are sent as they are written", () => {
  const set = createTestSet(
    testPod({ name: "web", namespace: "foo" }),
    testResource("AuthorizationPolicy", "p", { rules: [from({ namespaces: ["foo"] })] }, { namespace: "foo" }),
  );
  const settings = { ...FEDERATED, caCertificates: [] };
  const { policies } = decideAuthorizationPolicies({
    set,
    role: "sidecar",
    settings,
    pod: findTestPod(set, "foo/web"),
  });
  expect(policies[0]?.rules[0]?.from).toEqual([[{ key: "source.namespace", values: ["foo"], notValues: [] }]]);
});
