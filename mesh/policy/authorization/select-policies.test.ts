import { describe, expect, it } from "vitest";
import { parseTrustDomain } from "../../identity/spiffe-id.ts";
import type { MeshSettings } from "../../mesh-settings.ts";
import { parseResources } from "../../resources/parsing/parse-resources.ts";
import { createResourceSet } from "../../resources/resource-set.ts";
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

interface TestPolicy {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** An AuthorizationPolicy `foo/p` with some fields of `spec`. */
function policy({ name = "p", namespace = "foo", annotations = {}, ...spec }: TestPolicy = {}): string {
  return testResource("AuthorizationPolicy", name, spec, { namespace, annotations });
}

const GATEWAY_LABEL = { "gateway.networking.k8s.io/gateway-name": "gw" };
const WEB = testPod({ name: "web", namespace: "foo", labels: { app: "web", ...GATEWAY_LABEL } });

function decide(resources: readonly string[], more: Partial<MeshSettings> & { role?: "sidecar" | "gateway" } = {}) {
  const { role = "sidecar", ...settings } = more;
  const set = createTestSet(WEB, ...resources);
  return decideAuthorizationPolicies({
    ...{ set, role, settings: { ...TEST_SETTINGS, ...settings } },
    pod: findTestPod(set, "foo/web"),
  });
}

function namesOf(resources: readonly string[], role: "sidecar" | "gateway" = "sidecar"): readonly string[] {
  return decide(resources, { role }).policies.map(({ namespace, name }) => `${namespace}/${name}`);
}

/** The verdict on a client of some identity, under a policy that names principals. */
function judge(principal: string, client: string, settings: Partial<MeshSettings>): string {
  const rules = [{ from: [{ source: { principals: [principal] } }] }];
  const compiled = compileAuthorization(decide([policy({ rules })], settings));
  return decideAuthorization(compiled, { connection: connectionOf({ peer: peerOf(client) }), request: requestOf() })
    .kind;
}

const SELECTED = { selector: { matchLabels: { app: "web" } } };
const OTHER = { selector: { matchLabels: { app: "web", version: "2" } } };
const TO_GATEWAY = { targetRefs: [{ group: "gateway.networking.k8s.io", kind: "Gateway", name: "gw" }] };
const CLASS = { targetRefs: [{ group: "gateway.networking.k8s.io", kind: "GatewayClass", name: "gw" }] };

describe("the policies that apply to a pod", () => {
  it.each([
    { name: "its namespace's", spec: {}, applies: true },
    { name: "another namespace's", spec: { namespace: "bar" }, applies: false },
    { name: "the root namespace's", spec: { namespace: "istio-system" }, applies: true },
    { name: "its namespace's that selects it", spec: SELECTED, applies: true },
    { name: "its namespace's that selects other labels, too", spec: OTHER, applies: false },
    { name: "its namespace's with an empty selector", spec: { selector: {} }, applies: true },
    {
      name: "5a: the root namespace's that selects it",
      spec: { namespace: "istio-system", ...SELECTED },
      applies: true,
    },
    { name: "5b: another namespace's that selects it", spec: { namespace: "bar", ...SELECTED }, applies: false },
    { name: "the root namespace's that selects others", spec: { namespace: "istio-system", ...OTHER }, applies: false },
    { name: "6: one with targetRefs", spec: TO_GATEWAY, applies: false },
    { name: "6: one with the older targetRef", spec: { targetRef: TO_GATEWAY.targetRefs[0] }, applies: false },
  ])("$name: $applies", ({ spec, applies }) => {
    expect(namesOf([policy(spec)])).toHaveLength(applies ? 1 : 0);
  });

  it.each([
    { name: "one that targets its Gateway", spec: TO_GATEWAY, applies: true },
    {
      name: "one of the root namespace that targets a Gateway",
      spec: { namespace: "istio-system", ...TO_GATEWAY },
      applies: false,
    },
    {
      name: "one that targets another Gateway",
      spec: { targetRefs: [{ ...TO_GATEWAY.targetRefs[0], name: "b" }] },
      applies: false,
    },
    { name: "one that targets a GatewayClass", spec: CLASS, applies: false },
    {
      name: "one that targets a Service",
      spec: { targetRefs: [{ group: "", kind: "Service", name: "gw" }] },
      applies: false,
    },
    { name: "one that selects it", spec: SELECTED, applies: true },
    { name: "one that selects others", spec: OTHER, applies: false },
  ])("a gateway: $name: $applies", ({ spec, applies }) => {
    expect(namesOf([policy(spec)], "gateway")).toHaveLength(applies ? 1 : 0);
  });

  it("come in the order of namespace and name, each once", () => {
    const names = [
      ["b", "foo"],
      ["a", "istio-system"],
      ["a", "foo"],
      ["a-b", "foo"],
    ] as const;
    const resources = names.map(([name, namespace]) => policy({ name, namespace }));
    expect(namesOf(resources)).toEqual(["foo/a", "foo/a-b", "foo/b", "istio-system/a"]);
    const root = testPod({ name: "web", namespace: "istio-system" });
    const set = createTestSet(root, ...resources);
    const pod = findTestPod(set, "istio-system/web");
    expect(decideAuthorizationPolicies({ set, settings: TEST_SETTINGS, role: "sidecar", pod }).policies).toHaveLength(
      1,
    );
  });
});

describe("a policy", () => {
  it("comes with the mesh's settings, also where there is none", () => {
    const settings = { pathNormalization: "MERGE_SLASHES", numTrustedProxies: 2 } as const;
    expect(decide([], settings)).toEqual({ policies: [], ...settings });
  });

  it("is sent with every field of its rules", () => {
    const source = {
      ...{ principals: ["a"], notPrincipals: ["b"], requestPrincipals: ["c"], notRequestPrincipals: ["d"] },
      ...{ namespaces: ["e"], notNamespaces: ["f"], trustDomains: ["i"], notTrustDomains: ["j"] },
      ...{
        ipBlocks: ["10.0.0.1"],
        notIpBlocks: ["10.0.0.2"],
        remoteIpBlocks: ["10.0.0.3"],
        notRemoteIpBlocks: ["10.0.0.4"],
      },
    };
    const operation = {
      ...{ hosts: ["k"], notHosts: ["l"], ports: ["1"], notPorts: ["2"] },
      ...{ methods: ["m"], notMethods: ["n"], paths: ["/o"], notPaths: ["/p"] },
    };
    const accounts = { serviceAccounts: ["g", "ns/g"], notServiceAccounts: ["h"] };
    const when = [
      { key: "request.headers[x]", values: ["q"], notValues: ["r"] },
      { key: "source.serviceAccount", values: ["s"] },
    ];
    const rules = [{ from: [{ source }, { source: accounts }], to: [{ operation }], when }, {}];
    const [sent] = decide([policy({ rules })]).policies;
    expect(sent).toMatchObject({ action: "ALLOW", provider: "", isDryRun: false });
    expect(sent?.rules).toEqual([
      {
        from: [
          [
            { key: "source.principal", values: ["a"], notValues: ["b"] },
            { key: "source.namespace", values: ["e"], notValues: ["f"] },
            { key: "source.trustDomain", values: ["i"], notValues: ["j"] },
            { key: "source.ip", values: ["10.0.0.1"], notValues: ["10.0.0.2"] },
            { key: "remote.ip", values: ["10.0.0.3"], notValues: ["10.0.0.4"] },
            { key: "request.auth.principal", values: ["c"], notValues: ["d"] },
          ],
          [{ key: "source.serviceAccount", values: ["foo/g", "ns/g"], notValues: ["foo/h"] }],
        ],
        to: [
          [
            { key: "destination.port", values: ["1"], notValues: ["2"] },
            { key: "request.host", values: ["k"], notValues: ["l"] },
            { key: "request.method", values: ["m"], notValues: ["n"] },
            { key: "request.path", values: ["/o"], notValues: ["/p"] },
          ],
        ],
        when: [
          { key: "request.headers[x]", values: ["q"], notValues: ["r"] },
          { key: "source.serviceAccount", values: ["foo/s"], notValues: [] },
        ],
      },
      { from: [], to: [], when: [] },
    ]);
  });

  it("is in dry run by its annotation", () => {
    const rules = [{}];
    const of = (value: string) => decide([policy({ rules, annotations: { "istio.io/dry-run": value } })]).policies[0];
    expect(of("true")?.isDryRun).toBe(true);
    expect(of("0")?.isDryRun).toBe(false);
  });

  it("of the action CUSTOM has its provider", () => {
    const [sent] = decide([policy({ action: "CUSTOM", provider: { name: "opa" }, rules: [{}] })]).policies;
    expect(sent).toMatchObject({ action: "CUSTOM", provider: "opa" });
  });

  it.each([
    { name: "of its namespace", text: policy({ action: "DENY", rulez: [] }) },
    { name: "of another one", text: policy({ namespace: "bar", action: "DENY", rulez: [] }), isFree: true },
    { name: "of the root namespace", text: policy({ namespace: "istio-system", rules: "x" }) },
    { name: "of an unknown namespace", text: policy({ namespace: "???" }) },
  ])("that is invalid denies everything where it could apply: $name", ({ text, isFree = false }) => {
    const { resources, standIns } = parseResources({ text: `${WEB}\n---\n${text}`, file: "test.yaml" });
    const set = createResourceSet([...resources, ...standIns]);
    const pod = findTestPod(set, "foo/web");
    const decided = decideAuthorizationPolicies({ set, settings: TEST_SETTINGS, role: "sidecar", pod });
    const judged = { connection: connectionOf(), request: requestOf() };
    expect(decideAuthorization(compileAuthorization(decided), judged).kind).toBe(isFree ? "allowed" : "denied");
  });
});

describe("trust domain aliases", () => {
  const mesh = { trustDomain: parseTrustDomain("new"), trustDomainAliases: [parseTrustDomain("old")] };
  const ns = "ns/foo/sa/curl";

  it.each([
    { name: "13: cluster.local is an alias", principal: `cluster.local/${ns}`, client: `old/${ns}`, kind: "allowed" },
    { name: "13: cluster.local is the mesh", principal: `cluster.local/${ns}`, client: `new/${ns}`, kind: "allowed" },
    {
      name: "13: cluster.local is not itself",
      principal: `cluster.local/${ns}`,
      client: `cluster.local/${ns}`,
      kind: "denied",
    },
    { name: "an alias is the mesh", principal: `old/${ns}`, client: `new/${ns}`, kind: "allowed" },
    { name: "a prefix of the path", principal: "old/ns/foo/sa/*", client: `new/${ns}`, kind: "allowed" },
    { name: "too few parts", principal: "old/ns/foo/*", client: `new/${ns}`, kind: "denied" },
    { name: "another domain", principal: `other/${ns}`, client: `new/${ns}`, kind: "denied" },
    { name: "another domain, of itself", principal: `other/${ns}`, client: `other/${ns}`, kind: "allowed" },
    { name: "a suffix that covers one", principal: `*ld/${ns}`, client: `old/${ns}`, kind: "allowed" },
    { name: "a suffix that covers one, for the other", principal: `*ld/${ns}`, client: `new/${ns}`, kind: "allowed" },
    { name: "a suffix, for more than aliases", principal: `*ld/${ns}`, client: `bold/${ns}`, kind: "allowed" },
    { name: "any domain", principal: `*/${ns}`, client: `other/${ns}`, kind: "allowed" },
  ])("$name: $principal for $client is $kind", ({ principal, client, kind }) => {
    expect(judge(principal, client, mesh)).toBe(kind);
  });

  it("apply to trustDomains, to notX and to the keys of when", () => {
    const source = { notPrincipals: [`old/${ns}`], trustDomains: ["old", "x"] };
    const when = [
      { key: "source.trustDomain", notValues: ["new"] },
      { key: "source.principal", values: [`new/${ns}`] },
    ];
    const [sent] = decide([policy({ rules: [{ from: [{ source }], when }] })], mesh).policies;
    expect(sent?.rules[0]?.from[0]).toEqual([
      { key: "source.principal", values: [], notValues: [`new/${ns}`, `old/${ns}`] },
      { key: "source.trustDomain", values: ["new", "old", "x"], notValues: [] },
    ]);
    expect(sent?.rules[0]?.when).toEqual([
      { key: "source.trustDomain", values: [], notValues: ["new", "old"] },
      { key: "source.principal", values: [`new/${ns}`, `old/${ns}`], notValues: [] },
    ]);
  });
});
