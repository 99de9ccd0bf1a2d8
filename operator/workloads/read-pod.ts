import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { listPages } from "../../kubernetes/reflector/list-pages.ts";
import { identitiesOfPod } from "../../mesh/policy/workloads.ts";
import { parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import { createResourceSet } from "../../mesh/resources/resource-set.ts";
import { type ClusterReading, readMeshSettings } from "../configuration/read-cluster.ts";
import { OperatorError } from "../operator-error.ts";
import { findPod } from "./find-by-name.ts";
import { hasProxy } from "./pod-proxy.ts";

/** A pod of a cluster, and who it may be. */
export interface FoundPod {
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly identities: readonly string[];
}

/** Finds a pod with a proxy by the name that a user typed, by listing no more than the namespace that it names. */
export async function readPod(reading: ClusterReading, text: string, namespace: string): Promise<FoundPod> {
  const dot = text.lastIndexOf(".");
  const [pods, settings] = await Promise.all([
    listNamespace(reading, dot < 0 ? namespace : text.slice(dot + 1)),
    readMeshSettings(reading),
  ]);
  // A pod's name may have dots itself.
  const all = pods.length > 0 || dot < 0 ? pods : await listNamespace(reading, namespace);
  const pod = findPod(createResourceSet(all), text, namespace);
  const { name, namespace: own } = pod.metadata;
  if (!hasProxy(pod))
    throw new OperatorError("not_found", `pod ${name}.${own} has no proxy: entente describe pod tells why`);
  return { pod: { name, namespace: own }, identities: identitiesOfPod(pod, settings) };
}

async function listNamespace({ api, signal }: ClusterReading, namespace: string): Promise<readonly Resource[]> {
  const transform = (object: KubernetesObject): readonly Resource[] => parseObject({ ...object }).resources;
  const listed = await listPages(api, { selection: { kind: KINDS.pods, namespace }, transform, signal });
  return [...listed.objects.values()].flat();
}
