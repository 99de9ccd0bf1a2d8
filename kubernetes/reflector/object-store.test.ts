import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../kubernetes-api.ts";
import { type ObjectChange, ObjectStore, withoutManagedFields } from "./object-store.ts";

function pod(name: string, phase: string, resourceVersion = "1"): KubernetesObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "ns1", resourceVersion }, status: { phase } };
}

/** Stores the phase alone; pods of the phase `Hidden` are not stored. */
function phaseStore(): ObjectStore<string> {
  return new ObjectStore(({ status }) => {
    const phase = JSON.stringify(status);
    return phase.includes("Hidden") ? undefined : phase;
  });
}

const RUNNING = '{"phase":"Running"}';
const PENDING = '{"phase":"Pending"}';

describe("an event", () => {
  it.each<{ name: string; before?: string; event: Parameters<ObjectStore<string>["apply"]>[0]; changes: unknown[] }>([
    {
      name: "of a new object is an upsert",
      event: { type: "ADDED", object: pod("a", "Running") },
      changes: [{ kind: "upsert", key: "ns1/a", object: RUNNING }],
    },
    {
      name: "that comes twice changes nothing",
      before: "Running",
      event: { type: "ADDED", object: pod("a", "Running") },
      changes: [],
    },
    {
      name: "that changes only what is not stored changes nothing",
      before: "Running",
      event: { type: "MODIFIED", object: pod("a", "Running", "2") },
      changes: [],
    },
    {
      name: "with new content is an upsert, even under the same version",
      before: "Running",
      event: { type: "MODIFIED", object: pod("a", "Pending", "1") },
      changes: [{ kind: "upsert", key: "ns1/a", object: PENDING }],
    },
    {
      name: "MODIFIED of an unknown object is an upsert",
      event: { type: "MODIFIED", object: pod("a", "Pending") },
      changes: [{ kind: "upsert", key: "ns1/a", object: PENDING }],
    },
    {
      name: "DELETED carries the last known state",
      before: "Running",
      event: { type: "DELETED", object: pod("a", "Pending") },
      changes: [{ kind: "delete", key: "ns1/a", object: RUNNING }],
    },
    {
      name: "DELETED of an unknown object changes nothing",
      event: { type: "DELETED", object: pod("a", "Running") },
      changes: [],
    },
    {
      name: "after which the object is not wanted any more is a deletion",
      before: "Running",
      event: { type: "MODIFIED", object: pod("a", "Hidden") },
      changes: [{ kind: "delete", key: "ns1/a", object: RUNNING }],
    },
  ])("$name", ({ before, event, changes }) => {
    const store = phaseStore();
    if (before !== undefined) store.apply({ type: "ADDED", object: pod("a", before) });
    expect(store.apply(event)).toEqual(changes);
  });
});

describe("a complete list", () => {
  it("replaces the state at once, deletions first", () => {
    const store = phaseStore();
    for (const name of ["a", "b", "c"]) store.apply({ type: "ADDED", object: pod(name, "Running") });
    const changes: readonly ObjectChange<string>[] = store.replace(
      new Map([
        ["ns1/b", RUNNING],
        ["ns1/c", PENDING],
        ["ns1/d", RUNNING],
      ]),
    );
    expect(changes).toEqual([
      { kind: "delete", key: "ns1/a", object: RUNNING },
      { kind: "upsert", key: "ns1/c", object: PENDING },
      { kind: "upsert", key: "ns1/d", object: RUNNING },
    ]);
    expect([...store.objects.keys()]).toEqual(["ns1/b", "ns1/c", "ns1/d"]);
  });
});

it("managed fields are left out, everything else is kept", () => {
  const object = pod("a", "Running");
  const full = { ...object, metadata: { ...object.metadata, managedFields: [{ manager: "kubelet" }] } };
  expect(withoutManagedFields(full)).toEqual(object);
});
