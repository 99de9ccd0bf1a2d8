import { createHash } from "node:crypto";
import type { Random } from "../../mesh/runtime.ts";
import { LocalError } from "../local-error.ts";
import { type Manifest, recordOf } from "../read-manifests.ts";

/** A pod to create, as the API server would first see it. */
export interface PlannedPod {
  readonly name: string;
  readonly namespace: string;
  /** The Deployment's name; the pod's own name for a standalone pod. */
  readonly owner: string;
  readonly object: Readonly<Record<string, unknown>>;
}

/** Letters and digits of generated names; without vowels, as in Kubernetes, so that no words result. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const MAX_REPLICAS = 50;

/** The pods of all Pod and Deployment manifests, in order; other workloads are refused. */
export function planPods(manifests: readonly Manifest[], random: Random): readonly PlannedPod[] {
  return manifests.flatMap((manifest) => {
    switch (manifest.kind) {
      case "Pod":
        return [podFrom(manifest, manifest.object, { name: manifest.name })];
      case "Deployment":
        return deploymentPods(manifest, random);
      case "StatefulSet":
      case "DaemonSet":
      case "ReplicaSet":
      case "ReplicationController":
      case "Job":
      case "CronJob": {
        const where = `${manifest.file}: ${manifest.kind}/${manifest.name}`;
        throw new LocalError("bad_manifest", `${where}: only Pods and Deployments can be run on one machine`);
      }
      default:
        return [];
    }
  });
}

function deploymentPods(manifest: Manifest, random: Random): readonly PlannedPod[] {
  const spec = recordOf(manifest.object["spec"]);
  const replicas = spec["replicas"] ?? 1;
  const where = `${manifest.file}: Deployment/${manifest.name}`;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0 || replicas > MAX_REPLICAS) {
    throw new LocalError("bad_manifest", `${where}: spec.replicas must be a whole number from 0 to ${MAX_REPLICAS}`);
  }
  const template = recordOf(spec["template"]);
  const hash = createHash("sha256").update(JSON.stringify(template)).digest();
  const replicaSet = `${manifest.name}-${letters(10, (index) => hash[index] ?? 0)}`;
  const owner = { apiVersion: "apps/v1", kind: "ReplicaSet", name: replicaSet, uid: replicaSet, controller: true };
  return Array.from({ length: replicas }, () => {
    const name = `${replicaSet}-${letters(5, () => Math.floor(random() * ALPHABET.length))}`;
    return podFrom(manifest, template, { name, ownerReferences: [owner] });
  });
}

function podFrom(
  manifest: Manifest,
  template: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, unknown>> & { readonly name: string },
): PlannedPod {
  const { namespace } = manifest;
  const spec = { serviceAccountName: "default", ...recordOf(template["spec"]) };
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...recordOf(template["metadata"]), ...metadata, namespace },
    spec,
  };
  return { name: metadata.name, namespace, owner: manifest.name, object };
}

/** The same pod with another name. */
export function renamePod(pod: PlannedPod, name: string): PlannedPod {
  return { ...pod, name, object: { ...pod.object, metadata: { ...recordOf(pod.object["metadata"]), name } } };
}

function letters(count: number, pick: (index: number) => number): string {
  return Array.from({ length: count }, (_, index) => ALPHABET[pick(index) % ALPHABET.length]).join("");
}
