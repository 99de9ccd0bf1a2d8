import { expect, it } from "vitest";
import type { Namespace } from "../../mesh/resources/kinds/namespace.ts";
import { describeChange } from "./describe-change.ts";

function namespaces(count: number, team = "a"): readonly Namespace[] {
  return Array.from({ length: count }, (_, index) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: `ns${index}`, namespace: "", labels: { team }, annotations: {}, ownerReferences: [] },
  }));
}

it.each([
  { name: "nothing if the files are read again without a change", before: namespaces(2), after: namespaces(2) },
  {
    name: "nothing if a resource has moved within its file",
    before: namespaces(1).map((resource) => ({ ...resource, origin: { file: "a.yaml", line: 1 } })),
    after: namespaces(1).map((resource) => ({ ...resource, origin: { file: "a.yaml", line: 9 } })),
  },
  { name: "an added resource", before: namespaces(1), after: namespaces(2), added: ["Namespace/ns1"] },
  { name: "a removed resource", before: namespaces(2), after: namespaces(1), removed: ["Namespace/ns1"] },
  { name: "a changed resource", before: namespaces(1), after: namespaces(1, "b"), changed: ["Namespace/ns0"] },
  {
    name: "that one of two files no longer contains a resource",
    before: [...namespaces(1), ...namespaces(1, "b")],
    after: namespaces(1),
    changed: ["Namespace/ns0"],
  },
])("reports $name", ({ before, after, added = [], changed = [], removed = [] }) => {
  expect(describeChange(before, after)).toEqual({ added, changed, removed });
});

it("names twenty and counts the rest", () => {
  const { added, changed, removed } = describeChange([], namespaces(25));
  expect([added.length, added.at(19), added.at(20)]).toEqual([21, "Namespace/ns19", "and 5 more"]);
  expect([changed, removed]).toEqual([[], []]);
});
