/** What a large mesh costs the source of the configuration: read once, and then one pod's change. See ../README.md. */
import { parseArgs } from "node:util";
import { readObject } from "../../discovery/kubernetes/followed-object.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import {
  createResourceSet,
  EMPTY_SET,
  type ResourceUpdate,
  resourceKey,
  type UpdatableSet,
  updateResourceSet,
} from "../../mesh/resources/resource-set.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { createPod, createService, createSlice, type MeshSize } from "./synthetic-mesh.ts";

const { values } = parseArgs({
  options: {
    services: { type: "string", default: "5000" },
    "pods-per-service": { type: "string", default: "4" },
    changes: { type: "string", default: "2000" },
  },
});

const size: MeshSize = {
  services: Number(values.services),
  podsPerService: Number(values["pods-per-service"]),
  namespaces: 100,
};

function updateOf(object: KubernetesObject): ResourceUpdate {
  const resource = readObject(object)?.resource;
  if (resource === undefined) throw new Error(`${object.kind} ${object.metadata.name} is invalid`);
  return { kind: resource.kind, key: resourceKey(resource), resource };
}

function* allObjects(): Generator<KubernetesObject, void> {
  for (let service = 0; service < size.services; service += 1) {
    yield createService(service, size);
    yield createSlice(service, size);
    for (let replica = 0; replica < size.podsPerService; replica += 1) yield createPod(service, replica, size);
  }
}

function timed<Result>(run: () => Result): { readonly result: Result; readonly ms: number } {
  const startedMs = performance.now();
  const result = run();
  return { result, ms: performance.now() - startedMs };
}

interface Costs {
  readonly readMs: number;
  readonly buildMs: number;
  readonly heapMb: number;
  readonly changesMs: readonly number[];
  readonly rebuildMs: number;
}

function measure(changes: number): Costs {
  const before = heapMb();
  const read = timed(() => [...allObjects()].map(updateOf));
  const built = timed(() => updateResourceSet(EMPTY_SET, read.result).set);
  const resources = read.result.flatMap(({ resource }): Resource[] => (resource === undefined ? [] : [resource]));
  const after = heapMb();
  const rebuilt = timed(() => createResourceSet(resources));
  return {
    readMs: read.ms,
    buildMs: built.ms,
    heapMb: after - before,
    changesMs: changePods(built.result, changes),
    rebuildMs: rebuilt.ms,
  };
}

/** Each change is what Kubernetes reports of one: the pod's condition, and its Service's slice. */
function changePods(initial: UpdatableSet, changes: number): readonly number[] {
  let set = initial;
  const costs: number[] = [];
  for (let change = 0; change < changes; change += 1) {
    const service = (change * 7919) % size.services;
    const replica = change % size.podsPerService;
    const isReady = Math.floor(change / size.services) % 2 === 1;
    const pod = createPod(service, replica, size, isReady);
    const slice = createSlice(service, size, new Set(isReady ? [] : [replica]));
    const { result, ms } = timed(() => updateResourceSet(set, [updateOf(pod), updateOf(slice)]));
    if (result.change.resources.length !== 2) throw new Error("the change was not seen");
    set = result.set;
    costs.push(ms);
  }
  return costs.toSorted((one, other) => one - other);
}

function heapMb(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function report({ readMs, buildMs, heapMb: heap, changesMs, rebuildMs }: Costs): string {
  const rows = [
    ["read every object once", `${readMs.toFixed(0)} ms`],
    ["build the set and its indexes", `${buildMs.toFixed(0)} ms`],
    ["memory of both", `${heap.toFixed(0)} MB`],
    ["one pod's change, median", `${quantile(changesMs, 0.5).toFixed(3)} ms`],
    ["one pod's change, p99", `${quantile(changesMs, 0.99).toFixed(3)} ms`],
    ["one pod's change, worst", `${(changesMs.at(-1) ?? 0).toFixed(3)} ms`],
    ["building the set anew instead", `${rebuildMs.toFixed(0)} ms`],
  ];
  const pods = size.services * size.podsPerService;
  const head = `${size.services} Services, ${pods} pods; ${changesMs.length} changes, each of a pod and its slice`;
  return [head, ...rows.map(([name = "", value = ""]) => `${name.padEnd(34)} ${value.padStart(12)}`), ""].join("\n");
}

process.stdout.write(
  `${formatCaption(describeRun(new Date())).join("\n")}\n${report(measure(Number(values.changes)))}`,
);
