import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { InstallError } from "../install-error.ts";
import { IDENTITY_LABELS } from "../objects/names.ts";
import { describeObject, installedKind } from "./installed-kinds.ts";

/** What becomes of one object. */
export interface PlannedObject {
  readonly object: KubernetesObject;
  readonly before: KubernetesObject | undefined;
  /** `keep`: someone else's, and shared: Istio's resource definitions, a namespace that was there before. */
  readonly action: "apply" | "keep";
}

/**
 * Looks at what the cluster has, before anything is changed.
 * @throws InstallError `not_ours` if an object of another installation has a name that this one needs
 */
export async function planInstallation(
  api: KubernetesApi,
  objects: readonly KubernetesObject[],
  signal: AbortSignal,
): Promise<readonly PlannedObject[]> {
  const planned: PlannedObject[] = [];
  for (const object of objects) {
    const { name, namespace } = object.metadata;
    const before = await api.get(installedKind(object), { name, ...(namespace && { namespace }) }, { signal });
    planned.push({ object, before, action: isOurs(before, object) ? "apply" : "keep" });
  }
  const foreign = planned.filter(({ object, action }) => action === "keep" && !SHARED_KINDS.has(object.kind));
  if (foreign.length > 0) {
    const names = foreign.map(({ object }) => describeObject(object)).join(", ");
    throw new InstallError(
      "not_ours",
      `${names}: already there, and of another installation such as Istio's; ` +
        "remove that one, or install beside it with --revision NAME",
    );
  }
  const leaving = planned.find(({ before }) => before?.metadata.deletionTimestamp !== undefined);
  if (leaving !== undefined) {
    throw new InstallError(
      "not_available",
      `${describeObject(leaving.object)} is being deleted; wait until it is gone`,
    );
  }
  return planned;
}

const SHARED_KINDS: ReadonlySet<string> = new Set(["CustomResourceDefinition", "Namespace"]);

/** Whether this installation made the object, by `entente install` or by `kubectl apply -k`, or can make it. */
function isOurs(before: KubernetesObject | undefined, { metadata }: KubernetesObject): boolean {
  if (before === undefined) return true;
  const labels = before.metadata.labels ?? {};
  return IDENTITY_LABELS.every((name) => labels[name] === metadata.labels?.[name]);
}
