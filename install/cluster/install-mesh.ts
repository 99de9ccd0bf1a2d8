import { KINDS, OLDEST_MINOR } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { InstallError } from "../install-error.ts";
import { installationLabels } from "../objects/names.ts";
import { renderInstallation } from "../render-installation.ts";
import type { InstallValues } from "../values/install-values.ts";
import { awaitRollout, type ClusterDeps } from "./await-rollout.ts";
import { checkRights, rightsToApply, rightsToRead } from "./check-rights.ts";
import { describeObject, formatSelector, INSTALLED_KINDS, installedKind } from "./installed-kinds.ts";
import { type PlannedObject, planInstallation } from "./plan-installation.ts";

export interface InstallOptions {
  /** `validate`: the API server checks everything and stores nothing. */
  readonly mode: "apply" | "validate";
  /** How long to wait for the Deployments; 0 does not wait. */
  readonly waitMs: number;
}

/**
 * Installs or upgrades: applies every object by server-side apply, removes what an earlier version of the same revision
 * had and this one has not, and waits. Running it again changes nothing; an interrupted run is continued by the next.
 */
export async function installMesh(values: InstallValues, options: InstallOptions, deps: ClusterDeps): Promise<void> {
  const { api, report, signal } = deps;
  const { minor, gitVersion } = await api.version({ signal });
  if (minor < OLDEST_MINOR) {
    throw new InstallError(
      "unsupported_cluster",
      `Kubernetes ${gitVersion} is too old; 1.${OLDEST_MINOR} or later is needed`,
    );
  }
  const objects = renderInstallation(values).flatMap((part) => part.objects);
  await checkRights(api, objects.flatMap(rightsToRead), signal);
  const planned = await planInstallation(api, objects, signal);
  await checkRights(api, planned.flatMap(rightsToApply), signal);
  for (const entry of planned) report(await applyPlanned(entry, planned, options, deps));
  if (options.mode === "validate") return;
  await removeOutdated(values, objects, deps);
  if (options.waitMs > 0) await awaitRollout(objects, options.waitMs, deps);
}

async function applyPlanned(
  { object, before, action }: PlannedObject,
  planned: readonly PlannedObject[],
  { mode }: InstallOptions,
  { api, signal }: ClusterDeps,
): Promise<string> {
  const name = describeObject(object);
  if (action === "keep") return `${name} left as it is: it belongs to someone else`;
  const would = mode === "validate" ? " (dry run)" : "";
  if (mode === "validate" && before === undefined && isInNewNamespace(object, planned))
    return `${name} created${would}`;
  // Forced: an installation owns its objects whole. What others add to them, such as the caBundle, stays theirs.
  const after = await api.apply(installedKind(object), object, { force: true, dryRun: mode === "validate", signal });
  if (before === undefined) return `${name} created${would}`;
  const isChanged =
    mode === "validate"
      ? hasChanged(before, after)
      : before.metadata.resourceVersion !== after.metadata.resourceVersion;
  return `${name} ${isChanged ? "changed" : "unchanged"}${would}`;
}

/** The API server cannot check an object whose namespace a dry run did not create. */
function isInNewNamespace({ metadata }: KubernetesObject, planned: readonly PlannedObject[]): boolean {
  return planned.some(
    ({ object, before }) =>
      object.kind === "Namespace" && object.metadata.name === metadata.namespace && before === undefined,
  );
}

/** Versions, owners of fields and kubectl's copy of the object are bookkeeping: they change with every way to apply. */
function hasChanged(before: KubernetesObject, after: KubernetesObject): boolean {
  const content = ({ metadata, status: _status, ...rest }: KubernetesObject): string => {
    const {
      managedFields: _fields,
      resourceVersion: _version,
      generation: _generation,
      annotations,
      ...kept
    } = metadata;
    const own = Object.entries(annotations ?? {}).filter(([name]) => name !== KUBECTL_COPY);
    return JSON.stringify({ ...rest, metadata: kept, annotations: own });
  };
  return content(before) !== content(after);
}

const KUBECTL_COPY = "kubectl.kubernetes.io/last-applied-configuration";

/** Not ConfigMaps: the control plane keeps some of its own under the same labels. */
const PRUNED_KINDS = INSTALLED_KINDS.filter(
  (kind) => kind !== KINDS.configMaps && kind !== KINDS.customResourceDefinitions && kind !== KINDS.namespaces,
);

async function removeOutdated(
  values: InstallValues,
  objects: readonly KubernetesObject[],
  { api, report, signal }: ClusterDeps,
): Promise<void> {
  const wanted = new Set(objects.map(describeObject));
  const labelSelector = formatSelector(installationLabels(values));
  for (const kind of PRUNED_KINDS) {
    const scope = kind.isNamespaced ? { namespace: values.namespace } : {};
    const { items } = await api.list(kind, { ...scope, labelSelector, signal });
    for (const item of items.map((found) => ({ ...found, kind: kind.kind }))) {
      if (wanted.has(describeObject(item))) continue;
      await api.delete(kind, { name: item.metadata.name, ...scope }, { signal });
      report(`${describeObject(item)} deleted: this installation does not have it`);
    }
  }
}
