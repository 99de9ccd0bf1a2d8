import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { formatCount } from "../../mesh/format-count.ts";
import { installationLabels, OWNER_LABELS } from "../objects/names.ts";
import { injectorNames, STATE_NAMES } from "../objects/state-names.ts";
import { describeObject, formatSelector, INSTALLED_KINDS } from "./installed-kinds.ts";
import { awaitNamespaceGone, awaitPodsGone, countSidecars, type RemovalDeps } from "./removal-progress.ts";
import { type RemovalEffect, type RemovalObject, removalObject } from "./removal-report.ts";

export interface UninstallOptions {
  readonly namespace: string;
  readonly revision: string;
  /** `purge` also removes the authority's key and the resource definitions, and with them every policy and route. */
  readonly mode: "keep" | "purge";
  readonly effect: RemovalEffect;
  readonly waitMs: number;
}

/** Shared by all revisions; removed last, and only by `purge`. */
const SHARED: ReadonlySet<ApiKind> = new Set([KINDS.customResourceDefinitions, KINDS.namespaces]);

/**
 * Removes an installation by its labels, whichever version made it. The webhooks go first, so that pods can be created at
 * every moment; then the control plane, and when it has stopped what it wrote into the namespaces. A dry run takes the
 * same steps; the API server checks each deletion, the caller's right and admission included, and deletes nothing.
 */
export async function uninstallMesh(options: UninstallOptions, deps: RemovalDeps): Promise<void> {
  let found = 0;
  for (const kind of INSTALLED_KINDS) {
    if (SHARED.has(kind)) continue;
    found += await deleteAll(kind, options, deps);
    if (kind === KINDS.deployments && options.effect === "remove") await awaitPodsGone(options, deps);
  }
  const others = await findOtherControlPlanes(options, deps);
  if (found === 0) reportNothing(options, others, deps);
  await removeRootCertificates(options, others, deps);
  if (others.length === 0) await removeLeases(options, deps);
  await removeState(options, others, deps);
  if (others.length === 0) await reportSidecars(deps);
}

/** Returns how many objects there were. */
async function deleteAll(kind: ApiKind, options: UninstallOptions, deps: RemovalDeps): Promise<number> {
  const { api, signal } = deps;
  const scope = kind.isNamespaced ? { namespace: options.namespace } : {};
  const labelSelector = formatSelector(installationLabels(options));
  const { items } = await api.list(kind, { ...scope, labelSelector, signal });
  for (const item of items) await deleteNamed(kind, { name: item.metadata.name, ...scope }, options, deps);
  return items.length;
}

function reportNothing(
  { namespace, revision }: UninstallOptions,
  others: readonly string[],
  { report }: RemovalDeps,
): void {
  const elsewhere = others.length === 0 ? "" : `; there is ${others.join(", ")}`;
  report({ kind: "note", text: `nothing of revision ${revision} is installed in namespace ${namespace}${elsewhere}` });
}

/** Control planes of Entente or Istio that are not of this installation: `Deployment NAMESPACE/NAME`. */
async function findOtherControlPlanes(
  options: UninstallOptions,
  { api, signal }: RemovalDeps,
): Promise<readonly string[]> {
  const own = Object.entries(installationLabels(options));
  const found = new Set<string>();
  for (const labelSelector of ["app=istiod", "app.kubernetes.io/name=istiod"]) {
    const { items } = await api.list(KINDS.deployments, { labelSelector, signal });
    for (const item of items) {
      const { namespace, labels = {} } = item.metadata;
      if (namespace === options.namespace && own.every(([name, value]) => labels[name] === value)) continue;
      found.add(describeObject({ ...item, kind: "Deployment" }));
    }
  }
  return [...found];
}

async function removeRootCertificates(
  { effect }: UninstallOptions,
  others: readonly string[],
  { api, report, signal }: RemovalDeps,
): Promise<void> {
  const { rootsConfigMap: name } = STATE_NAMES;
  const { items } = await api.list(KINDS.configMaps, { fieldSelector: `metadata.name=${name}`, signal });
  if (items.length === 0) return;
  const objects = items.map((item) => removalObject(KINDS.configMaps, item));
  if (others.length > 0) {
    report({ kind: "kept", objects, reason: `they are left to ${others.join(", ")}` });
    return;
  }
  for (const { metadata } of items) {
    const place = { name, namespace: metadata.namespace ?? "" };
    await api.delete(KINDS.configMaps, place, { dryRun: effect === "dry-run", signal });
  }
  report({ kind: "deleted", objects });
}

/** Control planes delete their own Leases when they stop; not the one that all of them share, nor after a crash. */
async function removeLeases(options: UninstallOptions, deps: RemovalDeps): Promise<void> {
  const { namespace } = options;
  await deleteIfPresent(KINDS.leases, { namespace, name: STATE_NAMES.rotationLease }, options, deps);
  const { items } = await deps.api.list(KINDS.leases, {
    ...{ namespace, labelSelector: STATE_NAMES.replicaLeases, signal: deps.signal },
  });
  for (const { metadata } of items) await deleteNamed(KINDS.leases, { namespace, name: metadata.name }, options, deps);
}

/** The authority's key is what the mesh's trust rests on: without a purge it stays, and a new installation uses it. */
async function removeState(options: UninstallOptions, others: readonly string[], deps: RemovalDeps): Promise<void> {
  const { namespace } = options;
  await deleteIfPresent(KINDS.secrets, { namespace, name: injectorNames(options).secret }, options, deps);
  const operators = await findKept(KINDS.secrets, { namespace, name: STATE_NAMES.operatorSecret }, deps);
  if (operators.length > 0) deps.report({ kind: "kept", objects: operators, reason: "an operator created it" });
  if (options.mode === "keep" || others.length > 0) return await reportKept(options, others, deps);
  await deleteIfPresent(KINDS.secrets, { namespace, name: STATE_NAMES.authoritySecret }, options, deps);
  await deleteIfPresent(KINDS.configMaps, { namespace, name: STATE_NAMES.controlConfigMap }, options, deps);
  for (const { name } of await ownDefinitions(deps)) {
    await deleteNamed(KINDS.customResourceDefinitions, { name }, options, deps);
  }
  await deleteNamespace(options, deps);
}

/** What stays, and why: `leftTo` are the control planes that still need it. */
async function reportKept(options: UninstallOptions, others: readonly string[], deps: RemovalDeps): Promise<void> {
  const { namespace, mode } = options;
  const leftTo = others.length > 0 ? `, and left to ${others.join(", ")}` : "";
  const keep = (objects: readonly RemovalObject[], reason: string): void => {
    if (objects.length > 0) deps.report({ kind: "kept", objects, reason: `${reason}${leftTo}` });
  };
  const found = [
    await findKept(KINDS.secrets, { namespace, name: STATE_NAMES.authoritySecret }, deps),
    await findKept(KINDS.configMaps, { namespace, name: STATE_NAMES.controlConfigMap }, deps),
    await ownDefinitions(deps),
    (await ownNamespaces(deps)).filter(({ name }) => name === namespace),
  ] as const;
  keep(found[0], "the authority's key");
  keep(found[1], "what is revoked");
  keep(found[2], "the mesh's policies and routes are in them");
  keep(found[3], "what is kept, and what others created, is in it");
  const isAny = found.some((objects) => objects.length > 0);
  const canPurge = mode === "keep" && others.length === 0;
  if (canPurge && isAny)
    deps.report({
      kind: "note",
      text: "entente uninstall --purge removes these too, but nothing that an operator created",
    });
}

async function findKept(
  kind: ApiKind,
  name: ObjectName,
  { api, signal }: RemovalDeps,
): Promise<readonly RemovalObject[]> {
  const found = await api.get(kind, name, { signal });
  return found === undefined ? [] : [removalObject(kind, found)];
}

async function ownDefinitions({ api, signal }: RemovalDeps): Promise<readonly RemovalObject[]> {
  const labelSelector = formatSelector(OWNER_LABELS);
  const { items } = await api.list(KINDS.customResourceDefinitions, { labelSelector, signal });
  return items.map((item) => removalObject(KINDS.customResourceDefinitions, item));
}

async function ownNamespaces({ api, signal }: RemovalDeps): Promise<readonly RemovalObject[]> {
  const { items } = await api.list(KINDS.namespaces, { labelSelector: formatSelector(OWNER_LABELS), signal });
  return items.map((item) => removalObject(KINDS.namespaces, item));
}

/**
 * Only one that the installation made, and in which nothing of the user's is left. Waits until it is gone: as long as it
 * is there, the mesh cannot be installed again.
 */
async function deleteNamespace(options: UninstallOptions, deps: RemovalDeps): Promise<void> {
  const { namespace: name, effect, waitMs } = options;
  const namespace = (await ownNamespaces(deps)).find((own) => own.name === name);
  if (namespace === undefined) return;
  const left = await findUsersObjects(options, deps);
  if (left !== undefined) {
    const reason = `it still has ${left}`;
    deps.report({ kind: "kept", objects: [namespace], reason });
    return;
  }
  await deleteNamed(KINDS.namespaces, { name }, options, deps);
  if (effect === "remove") await awaitNamespaceGone(name, waitMs, deps);
}

/** What of the user's is in the namespace. In a dry run the installation's own pods are still there. */
async function findUsersObjects(
  { namespace, ...options }: UninstallOptions,
  { api, signal }: RemovalDeps,
): Promise<string | undefined> {
  const { operatorSecret: name } = STATE_NAMES;
  if ((await api.get(KINDS.secrets, { namespace, name }, { signal })) !== undefined) return `the Secret ${name}`;
  const { items } = await api.list(KINDS.pods, { namespace, signal });
  const own = options.effect === "dry-run" ? Object.entries(installationLabels({ namespace, ...options })) : undefined;
  const isOwn = (labels: Readonly<Record<string, string>> = {}): boolean =>
    own?.every(([label, value]) => labels[label] === value) ?? false;
  return items.some(({ metadata }) => !isOwn(metadata.labels)) ? "pods" : undefined;
}

async function deleteIfPresent(
  kind: ApiKind,
  name: ObjectName,
  options: UninstallOptions,
  deps: RemovalDeps,
): Promise<void> {
  const before = await deps.api.get(kind, name, { signal: deps.signal });
  if (before !== undefined) await deleteNamed(kind, name, options, deps);
}

/** What a Deployment owns goes with it, in the background. */
async function deleteNamed(
  kind: ApiKind,
  name: ObjectName,
  { effect }: UninstallOptions,
  { api, report, signal }: RemovalDeps,
): Promise<void> {
  await api.delete(kind, name, { propagationPolicy: "Background", dryRun: effect === "dry-run", signal });
  report({ kind: "deleted", objects: [removalObject(kind, { metadata: name })] });
}

/** Their certificates are no longer renewed: after a day, connections between them fail. */
async function reportSidecars(deps: RemovalDeps): Promise<void> {
  const count = await countSidecars(deps);
  const text = `${formatCount(count, "pod still has", "pods still have")} a sidecar, whose certificate is no longer renewed: restart ${count === 1 ? "it" : "them"}`;
  if (count > 0) deps.report({ kind: "note", text });
}
