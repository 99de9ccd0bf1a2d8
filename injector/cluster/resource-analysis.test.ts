import { describe, expect, it } from "vitest";
import type { ConfigListener } from "../../discovery/config-source.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import { EMPTY_SET, resourceKey, type UpdatableSet, updateResourceSet } from "../../mesh/resources/resource-set.ts";
import { createResourceAnalysis } from "./resource-analysis.ts";

type Json = Readonly<Record<string, unknown>>;

function resource(object: Json): Resource {
  const [parsed] = parseObject(object).resources;
  if (parsed === undefined) throw new Error("invalid");
  return parsed;
}

const service = resource({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "world", namespace: "ns1" },
  spec: { selector: { app: "world" }, ports: [{ name: "http", port: 80 }] },
});

const rule = (host: string, name = "world"): Resource =>
  resource({
    apiVersion: "networking.istio.io/v1",
    kind: "DestinationRule",
    metadata: { name, namespace: "ns1" },
    spec: { host, trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } },
  });

const OLD = (name: string, namespace: string) => ({ name, namespace, creationTimestamp: "2020-01-01T00:00:00Z" });

const policy = (name: string, namespace: string): Json => ({
  apiVersion: "security.istio.io/v1",
  kind: "PeerAuthentication",
  metadata: { name, namespace, creationTimestamp: "2030-01-01T00:00:00Z" },
  spec: { mtls: { mode: "STRICT" } },
});

const legacyPolicy = (namespace: string): Json => ({
  apiVersion: "authentication.istio.io/v1alpha1",
  kind: "Policy",
  metadata: { name: "default", namespace },
  spec: { peers: [{ mtls: {} }] },
});

const route = (hosts: readonly string[], namespace = "ns1"): Json => ({
  apiVersion: "networking.istio.io/v1",
  kind: "VirtualService",
  metadata: { name: "mine", namespace, creationTimestamp: "2030-01-01T00:00:00Z" },
  spec: { hosts, http: [{ route: [{ destination: { host: "world" } }] }] },
});

function namespaceOf({ metadata }: Json): string {
  return metadata !== null && typeof metadata === "object" && "namespace" in metadata ? String(metadata.namespace) : "";
}

const SECRET_SERVICE: Json = {
  apiVersion: "v1",
  kind: "Service",
  spec: { selector: { app: "secret" }, clusterIP: "None", ports: [{ name: "tcp", port: 81 }] },
};

class Source {
  set: UpdatableSet = EMPTY_SET;
  readonly #listeners = new Set<ConfigListener>();

  current = (): UpdatableSet => this.set;

  subscribe = (listener: ConfigListener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  put(...resources: readonly Resource[]): void {
    const updates = resources.map((one) => ({ kind: one.kind, key: resourceKey(one), resource: one }));
    const { set, change } = updateResourceSet(this.set, updates);
    this.set = set;
    for (const listener of this.#listeners) listener(set, change);
  }
}

function createTest() {
  const source = new Source();
  source.put(service);
  const clock = new FakeClock();
  const settings = { rootNamespace: "istio-system", clusterDomain: "cluster.local" };
  return { source, clock, analyze: createResourceAnalysis({ source, settings, clock }) };
}

describe("the analysis of a resource that is about to be stored", () => {
  it("finds nothing where it fits", () => {
    expect(createTest().analyze(rule("world"))).toEqual([]);
  });

  it("says what is suspicious about it, with the code", () => {
    const [warning, ...others] = createTest().analyze(rule("wrld"));
    expect(warning).toMatch(/^IST0101 DestinationRule\/world\.ns1: spec\.host: /);
    expect(others).toEqual([]);
  });

  it("knows what was stored since", () => {
    const { source, analyze } = createTest();
    source.put(resource({ ...Object(service), apiVersion: "v1", metadata: { name: "wrld", namespace: "ns1" } }));
    expect(analyze(rule("wrld"))).toEqual([]);
  });

  it("does not repeat what is suspicious about other resources, and does not store the resource", () => {
    const { source, analyze } = createTest();
    source.put(rule("elsewhere", "other"));
    expect(analyze(rule("world"))).toEqual([]);
    expect(analyze(rule("wrld"))).toHaveLength(1);
    expect(analyze(rule("world"))).toEqual([]);
  });

  it("does not say which other resource is in conflict, though it says that there is one", () => {
    const { source, analyze } = createTest();
    const older = resource({ ...policy("secret-name", "ns1"), metadata: OLD("secret-name", "ns1") });
    source.put(older, resource({ ...policy("secret-mesh-name", "istio-system") }));
    const warnings = analyze(resource(policy("default", "ns1")));
    expect(warnings).toEqual([
      expect.stringMatching(/^ENT0006 .* is ignored: another PeerAuthentication has the same/),
    ]);
    expect(analyze(resource(legacyPolicy("ns1")))).toEqual([
      expect.stringMatching(/^ENT0008 .* has no effect: another PeerAuthentication applies to the same workloads/),
    ]);
  });

  it("counts what it newly causes in its own namespace, and is silent about others", () => {
    const { source, analyze } = createTest();
    source.put(...["ns1", "ns2", "ns3"].map((namespace) => resource(legacyPolicy(namespace))));
    expect(analyze(resource(policy("default", "ns1")))).toEqual([
      "ENT0008 at another resource of the namespace: entente analyze says more",
    ]);
    expect(analyze(resource(policy("default", "istio-system")))).toEqual([]);
  });

  it.each([
    policy("default", "ns1"),
    policy("default", "istio-system"),
    legacyPolicy("ns1"),
    route(["*"]),
    route(["*.cluster.local"]),
    route(["world"]),
    { ...route(["world"]), kind: "Gateway", spec: { selector: {}, servers: [] } },
    { ...route(["*"]), kind: "DestinationRule", spec: { host: "*", trafficPolicy: {} } },
    { ...route(["*"]), kind: "DestinationRule", spec: { host: "*.local", trafficPolicy: {} } },
  ])("names no resource that a forged $kind does not name itself", (forged) => {
    const { source, analyze } = createTest();
    const named = (one: Json, name: string) => resource({ ...one, metadata: OLD(name, namespaceOf(one)) });
    const inside = ["ns1", "secret-ns", "istio-system"].flatMap((namespace) => [
      named(policy("", namespace), "secret-policy"),
      resource(legacyPolicy(namespace)),
      named(route(["*"], namespace), "secret-route"),
      named(route(["world.ns1.svc.cluster.local"], namespace), "secret-route-2"),
    ]);
    source.put(...inside, resource({ ...SECRET_SERVICE, metadata: OLD("secret-service", "secret-ns") }));
    expect(analyze(resource(forged)).join("\n")).not.toContain("secret");
  });

  it("is left out when too many are requested in a second", async () => {
    const { clock, analyze } = createTest();
    const found = Array.from({ length: 20 }, () => analyze(rule("wrld")).length);
    expect(found.reduce((sum, count) => sum + count)).toBe(5);
    await clock.advance(1000);
    expect(analyze(rule("wrld"))).toHaveLength(1);
  });
});
