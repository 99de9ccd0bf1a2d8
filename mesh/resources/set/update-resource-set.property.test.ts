import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseResources } from "../parsing/parse-resources.ts";
import type { Resource } from "../resource.ts";
import {
  createResourceSet,
  EMPTY_SET,
  type ResourceSet,
  type ResourceUpdate,
  resourceKey,
  updateResourceSet,
} from "../resource-set.ts";
import { testPod, testService } from "../resource-set-fixture.ts";
import { updateHistory } from "./update-history-fixture.ts";

function applyAll(all: Map<string, Resource>, updates: readonly ResourceUpdate[]): void {
  for (const { kind, key, resource } of updates) {
    if (resource === undefined) all.delete(`${kind}/${key}`);
    else all.set(`${kind}/${key}`, resource);
  }
}

/** The set as plain data, without the order in which resources came. */
function contentOf(set: ResourceSet): Readonly<Record<string, unknown>> {
  const { index, ...maps } = set;
  return Object.fromEntries(
    [...Object.entries(maps), ...Object.entries(index)].flatMap(([map, entries]) =>
      [...entries].map(([key, value]): [string, string] => [
        `${map}/${key}`,
        JSON.stringify(Array.isArray(value) ? value.map((item) => JSON.stringify(item)).sort() : value),
      ]),
    ),
  );
}

/** `podByIp` and `serviceByIp` depend on the order if an address is taken twice. */
function withoutHolders(content: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(content).filter(([key]) => !/^(?:podByIp|serviceByIp|servicesByIp|podsByIp)\//.test(key)),
  );
}

describe("updateResourceSet", () => {
  it("results in the same set as building it anew, whatever the history", () => {
    fc.assert(
      fc.property(updateHistory, (steps) => {
        const all = new Map<string, Resource>();
        let set = EMPTY_SET;
        for (const step of steps) {
          applyAll(all, step);
          set = updateResourceSet(set, step).set;
        }
        expect(withoutHolders(contentOf(set))).toEqual(withoutHolders(contentOf(createResourceSet([...all.values()]))));
      }),
    );
  });

  it("names each part of the set that a change touches", () => {
    fc.assert(
      fc.property(updateHistory, (steps) => {
        let set = EMPTY_SET;
        for (const step of steps) {
          const before = contentOf(set);
          const updated = updateResourceSet(set, step);
          const after = contentOf(updated.set);
          const differing = [...new Set([...Object.keys(before), ...Object.keys(after)])]
            .filter((key) => before[key] !== after[key])
            .filter((key) => !/^(?:podsByIp|servicesByIp|mirroredSlices)\//.test(key));
          for (const key of differing) {
            expect(updated.change.keys).toContain(key);
            expect(updated.change.keys).toContain(key.slice(0, key.indexOf("/")));
          }
          set = updated.set;
        }
      }),
    );
  });

  it("shares what does not change, and reports nothing for an equal resource", () => {
    const update_ = (text: string): ResourceUpdate[] =>
      parseResources({ text, file: "test.yaml" }).resources.map((resource) => ({
        kind: resource.kind,
        key: resourceKey(resource),
        resource,
      }));
    const first = updateResourceSet(EMPTY_SET, [
      ...update_(testPod({ name: "a" })),
      ...update_(testService({ name: "a" })),
    ]);
    const same = updateResourceSet(first.set, update_(testPod({ name: "a" })));
    expect(same.set).toBe(first.set);
    expect(same.change).toEqual({ resources: [], keys: new Set() });
    const moved = updateResourceSet(first.set, update_(testPod({ name: "a", ip: "10.0.0.2" })));
    expect(moved.set.services).toBe(first.set.services);
    const indexes = ["podByIp", "podsByIp"].flatMap((name) => [name, `${name}/10.0.0.1`, `${name}/10.0.0.2`]);
    expect(moved.change.keys).toEqual(
      new Set(["pods", "pods/ns1/a", "podsByNamespace", "podsByNamespace/ns1", ...indexes]),
    );
    // A pod of the node has no address that names it.
    const ofNode = updateResourceSet(first.set, update_(testPod({ name: "b", spec: { hostNetwork: true } })));
    expect([...ofNode.change.keys].filter((key) => key.startsWith("podByIp"))).toEqual([]);
    expect(ofNode.set.index.podByIp.get("10.0.0.1")?.metadata.name).toBe("a");
    expect(first.set.index.podByIp.get("10.0.0.1")?.metadata.name).toBe("a");
    expect(moved.set.index.podByIp.get("10.0.0.1")).toBeUndefined();
  });
});
