import type { WorkloadOwner } from "../admission/workload-owner.ts";

/** A pod or a pod template inside a resource. */
export interface PodTemplate {
  readonly value: unknown;
  /** Its path in the document. */
  readonly path: readonly (string | number)[];
  /** `Deployment/hello.ns1`, for messages. */
  readonly title: string;
  readonly namespace: string;
  /** The resource that creates the pods; undefined for a pod. */
  readonly owner: WorkloadOwner | undefined;
}

/** The path of the pod template in each kind of workload. */
const TEMPLATE_PATHS: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  DeploymentConfig: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
  PodTemplate: ["template"],
};

/** The pod templates of a resource of any kind; for a List, those of its items. */
export function findPodTemplates(
  resource: unknown,
  defaultNamespace: string,
  path: readonly (string | number)[] = [],
): readonly PodTemplate[] {
  if (!isMapping(resource)) return [];
  const { kind, apiVersion, items } = resource;
  if (typeof kind !== "string") return [];
  if (kind.endsWith("List") && Array.isArray(items)) {
    return items.flatMap((item, i) => findPodTemplates(item, defaultNamespace, [...path, "items", i]));
  }
  const templatePath = Object.hasOwn(TEMPLATE_PATHS, kind) ? TEMPLATE_PATHS[kind] : undefined;
  if (templatePath === undefined) return [];
  const metadata = isMapping(resource["metadata"]) ? resource["metadata"] : {};
  const namespace = textOr(metadata["namespace"], defaultNamespace);
  const name = textOr(metadata["name"], textOr(metadata["generateName"], "unnamed"));
  return [
    {
      value: templatePath.reduce<unknown>((value, key) => (isMapping(value) ? value[key] : undefined), resource),
      path: [...path, ...templatePath],
      title: `${kind}/${name}.${namespace}`,
      namespace,
      owner: kind === "Pod" ? undefined : { apiVersion: textOr(apiVersion, "v1"), kind, name },
    },
  ];
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" && value !== "" ? value : otherwise;
}
