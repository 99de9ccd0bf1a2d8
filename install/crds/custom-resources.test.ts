import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { parseResources } from "../../mesh/resources/parsing/parse-resources.ts";
import { RESOURCE_KINDS } from "../../mesh/resources/resource-kinds.ts";
import { CUSTOM_RESOURCES, customResourceDefinition } from "./custom-resources.ts";
import { findStructuralFaults, storeValue } from "./stored-object-fixture.ts";

const DEFINITIONS = CUSTOM_RESOURCES.map((resource) => customResourceDefinition(resource, {}));

/** Of Istio 1.31, and of 1.4 for the legacy group. */
const ISTIO_NAMES: readonly (readonly [string, string, string, string])[] = [
  ["MeshPolicy", "meshpolicies.authentication.istio.io", "Cluster", ""],
  ["Policy", "policies.authentication.istio.io", "Namespaced", ""],
  ["PeerAuthentication", "peerauthentications.security.istio.io", "Namespaced", "pa"],
  ["RequestAuthentication", "requestauthentications.security.istio.io", "Namespaced", "ra"],
  ["AuthorizationPolicy", "authorizationpolicies.security.istio.io", "Namespaced", "ap"],
  ["DestinationRule", "destinationrules.networking.istio.io", "Namespaced", "dr"],
  ["VirtualService", "virtualservices.networking.istio.io", "Namespaced", "vs"],
  ["Gateway", "gateways.networking.istio.io", "Namespaced", "gw"],
];

function schemaOf(kind: string) {
  const version = DEFINITIONS.find(({ spec }) => spec.names.kind === kind)?.spec.versions[0];
  if (version === undefined) throw new Error(`no definition of ${kind}`);
  return version.schema.openAPIV3Schema;
}

/** What the API server keeps of a resource, parsed. */
function roundTrip(kind: string, apiVersion: string, spec: unknown) {
  const object = { apiVersion, kind, metadata: { name: "default", namespace: "ns1" }, spec };
  const stored = storeValue({ spec }, schemaOf(kind));
  const parse = (value: object) => parseResources({ text: JSON.stringify(value), file: "x" });
  return { stored, before: parse(object), after: parse({ ...object, ...Object(stored.value) }) };
}

describe("the resource definitions", () => {
  it("exist for each of Istio's kinds that is read", () => {
    const read = RESOURCE_KINDS.filter(({ group }) => group.endsWith("istio.io")).map(({ kind }) => kind);
    expect(CUSTOM_RESOURCES.map(({ kind }) => kind).toSorted()).toEqual(read.toSorted());
  });

  it.each(ISTIO_NAMES)("of %s have Istio's names", (kind, name, scope, shortName) => {
    const definition = DEFINITIONS.find(({ spec }) => spec.names.kind === kind);
    expect(definition).toMatchObject({ metadata: { name }, spec: { scope, names: { listKind: `${kind}List` } } });
    expect([...(definition?.spec.names.shortNames ?? [])].join()).toBe(shortName);
  });

  it.each(DEFINITIONS)("$metadata.name serve every version that is read, and store one", ({ spec }) => {
    const described = RESOURCE_KINDS.find(({ kind }) => kind === spec.names.kind);
    expect(spec.versions.map(({ name }) => name)).toEqual(described?.versions);
    expect(spec.versions.filter(({ storage }) => storage).map(({ name }) => name)).toEqual([described?.versions[0]]);
    expect(spec.versions.every(({ served, subresources }) => served && "status" in subresources)).toBe(true);
  });

  it.each(DEFINITIONS)("$metadata.name have structural schemas", ({ spec }) => {
    expect(spec.versions.flatMap(({ schema }) => findStructuralFaults(schema.openAPIV3Schema))).toEqual([]);
  });
});

describe("a stored resource", () => {
  it.each(ISTIO_NAMES.map(([kind]) => kind))("of kind %s keeps every field that nobody knows", (kind) => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^x[a-z]{0,5}$/), fc.jsonValue(), { minKeys: 1 }), (unknown) => {
        const { value } = storeValue({ spec: unknown, status: unknown }, schemaOf(kind));
        expect(value).toEqual({ spec: unknown, status: unknown });
      }),
    );
  });

  it.each(["Policy", "MeshPolicy"])("of kind %s keeps `mtls:` without a value, which is STRICT", (kind) => {
    const { stored, after } = roundTrip(kind, "authentication.istio.io/v1alpha1", { peers: [{ mtls: null }] });
    expect(stored.faults).toEqual([]);
    expect(after.resources).toMatchObject([{ spec: { peers: [{ mtls: { mode: "STRICT" } }] } }]);
  });

  it.each([
    {
      name: "a selector's condition that is not supported",
      kind: "PeerAuthentication",
      apiVersion: "security.istio.io/v1",
      spec: { selector: { matchLabels: { a: "b" }, matchExpressions: [] }, mtls: { mode: "STRICT" } },
    },
    {
      name: "a misspelled selector, which the parser must see",
      kind: "AuthorizationPolicy",
      apiVersion: "security.istio.io/v1beta1",
      spec: { selectors: { matchLabels: { a: "b" } }, rules: [{}] },
    },
    {
      name: "a misspelled source, which the parser must see",
      kind: "AuthorizationPolicy",
      apiVersion: "security.istio.io/v1",
      spec: { rules: [{ from: [{ source: { namespaces: ["a"], principal: ["a"] } }] }] },
    },
    {
      name: "clauses that are null",
      kind: "AuthorizationPolicy",
      apiVersion: "security.istio.io/v1",
      spec: { action: "DENY", rules: [{ from: null, to: null, when: null }] },
    },
    {
      name: "the rules of tokens",
      kind: "RequestAuthentication",
      apiVersion: "security.istio.io/v1",
      spec: { jwtRules: [{ issuer: "i", audience: ["a"], fromHeaders: [{ name: "x", prefix: null }] }] },
    },
    {
      name: "a null, which means absent",
      kind: "DestinationRule",
      apiVersion: "networking.istio.io/v1",
      spec: { host: "a", trafficPolicy: { tls: null }, subsets: null },
    },
    {
      name: "an unsupported action of a route",
      kind: "VirtualService",
      apiVersion: "networking.istio.io/v1beta1",
      spec: { hosts: ["a"], http: [{ mirror: { host: "b" }, route: [{ destination: { host: "a" } }] }] },
    },
    {
      name: "the TLS settings of a server",
      kind: "Gateway",
      apiVersion: "networking.istio.io/v1alpha3",
      spec: { servers: [{ hosts: ["*"], port: { number: 443, protocol: "HTTPS" }, tls: { mode: "SIMPLE" } }] },
    },
  ])("is read as it was written, with $name", ({ kind, apiVersion, spec }) => {
    const { stored, before, after } = roundTrip(kind, apiVersion, spec);
    expect(stored.faults).toEqual([]);
    expect(after).toEqual(before);
  });

  it("is refused for a value of another type or outside the enumeration", () => {
    const { stored } = roundTrip("PeerAuthentication", "security.istio.io/v1", {
      mtls: { mode: "STRIKT" },
      selector: { matchLabels: { version: 1 } },
    });
    expect(stored.faults).toEqual([
      ".spec.mtls.mode has an unsupported value",
      ".spec.selector.matchLabels.version must be of type string",
    ]);
  });
});

describe("the schemas are no stricter than the parser", () => {
  const folder = "examples/hello-tls";
  const documents = readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .flatMap((name) => parseKubernetesYaml(readFileSync(`${folder}/${name}`, "utf8")))
    .map((document): unknown => document.toJS())
    .filter((value): value is { kind: string } => ISTIO_NAMES.some(([kind]) => Object(value).kind === kind));

  it("for the manifests of the demo", () => {
    expect(documents.length).toBeGreaterThan(5);
    expect(documents.flatMap((document) => storeValue(document, schemaOf(document.kind)).faults)).toEqual([]);
  });
});
