import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EMPTY_SET, type ResourceSet, updateResourceSet } from "../resources/resource-set.ts";
import { TEST_SETTINGS } from "../resources/resource-set-fixture.ts";
import { trackReads } from "../resources/set/track-reads.ts";
import { updateHistory } from "../resources/set/update-history-fixture.ts";
import { decideDestination } from "./destinations/destination.ts";
import { decideInbound } from "./inbound.ts";

/** Some decisions, each by its name, as text. */
function decideAll(set: ResourceSet): ReadonlyMap<string, { readonly result: string; readonly reads: Set<string> }> {
  const client = { namespace: "ns1", labels: { app: "a" } };
  const decisions = new Map<string, (view: ResourceSet) => unknown>();
  for (const target of ["10.0.0.1", "10.0.0.2", "10.96.0.1", "10.96.0.2"]) {
    decisions.set(target, (view) =>
      decideDestination({
        set: view,
        settings: TEST_SETTINGS,
        client,
        target: { kind: "address", ip: target, port: target.startsWith("10.96") ? 8080 : 80 },
      }),
    );
  }
  for (const key of ["ns1/a", "ns2/b"]) {
    decisions.set(key, (view) => {
      const found = view.pods.get(key);
      return found && decideInbound({ set: view, settings: TEST_SETTINGS, pod: found });
    });
  }
  return new Map(
    [...decisions].map(([decision, decide]) => {
      const reads = new Set<string>();
      const result = JSON.stringify(decide(trackReads(set, (key) => reads.add(key)))) ?? "none";
      return [decision, { result, reads }];
    }),
  );
}

describe("decisions on a tracked set", () => {
  it("stay the same until something that they read changes", () => {
    fc.assert(
      fc.property(updateHistory, (steps) => {
        let set = EMPTY_SET;
        let decisions = decideAll(set);
        for (const step of steps) {
          const updated = updateResourceSet(set, step);
          const next = decideAll(updated.set);
          for (const [decision, { result, reads }] of decisions) {
            if (![...reads].some((key) => updated.change.keys.has(key)))
              expect(next.get(decision)?.result).toBe(result);
          }
          set = updated.set;
          decisions = next;
        }
      }),
    );
  });
});
