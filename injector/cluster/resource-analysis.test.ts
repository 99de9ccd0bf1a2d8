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

  it("is left out when too many are requested in a second", async () => {
    const { clock, analyze } = createTest();
    const found = Array.from({ length: 20 }, () => analyze(rule("wrld")).length);
    expect(found.reduce((sum, count) => sum + count)).toBe(5);
    await clock.advance(1000);
    expect(analyze(rule("wrld"))).toHaveLength(1);
  });
});
