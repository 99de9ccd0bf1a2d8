import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { installationLabels, OWNER_LABELS } from "../objects/names.ts";
import { injectorNames, STATE_NAMES } from "../objects/state-names.ts";
import type { ClusterDeps } from "./await-rollout.ts";
import { describeObject, formatSelector, INSTALLED_KINDS } from "./installed-kinds.ts";

export interface UninstallOptions {
  readonly namespace: string;
  readonly revision: string;
  /** `purge` also removes the authority's key and the resource definitions, and with them every policy and route. */
  readonly mode: "keep" | "purge";
  readonly waitMs: number;
}

/** Shared by all revisions; removed last, and only by `purge`. */
const SHARED: ReadonlySet<ApiKind> = new Set([KINDS.customResourceDefinitions, KINDS.namespaces]);

/**
 * Removes an installation by its labels, whichever version made it. The webhooks go first, so that pods can be created at
 * every moment; then the control plane, and when it has stopped what it wrote into the namespaces.
 */
export async function uninstallMesh(options: UninstallOptions, deps: ClusterDeps): Promise<void> {
  const { report } = deps;
  for (const kind of INSTALLED_KINDS) {
    if (SHARED.has(kind)) continue;
    await deleteAll(kind, options, deps);
    if (kind === KINDS.deployments) await awaitPodsGone(options, deps);
  }
  const others = await findOtherControlPlanes(deps);
  if (others.length === 0) await deleteRootCertificates(deps);
  else report(`the root certificates in the namespaces are left to ${others.join(", ")}`);
  await removeState(options, others, deps);
  if (others.length === 0) await reportSidecars(deps);
}

async function deleteAll(
  kind: ApiKind,
  options: UninstallOptions,
  { api, report, signal }: ClusterDeps,
): Promise<void> {
  const scope = kind.isNamespaced ? { namespace: options.namespace } : {};
  const labelSelector = formatSelector(installationLabels(options));
  const { items } = await api.list(kind, { ...scope, labelSelector, signal });
  for (const item of items) {
    await api.delete(kind, { name: item.metadata.name, ...scope }, { propagationPolicy: "Background", signal });
    report(`${describeObject({ ...item, kind: kind.kind })} deleted`);
  }
}

/** The control plane would write the root certificates again. */
async function awaitPodsGone(options: UninstallOptions, deps: ClusterDeps): Promise<void> {
  const { api, report, signal } = deps;
  const labelSelector = formatSelector(installationLabels(options));
  const count = async (): Promise<number> =>
    (await api.list(KINDS.pods, { namespace: options.namespace, labelSelector, signal })).items.length;
  const left = await awaitNone(count, (pods) => `waiting for ${pods} pods to end`, options.waitMs, deps);
  if (left > 0) report(`${left} pods have not ended; run uninstall again when they have, to remove what they wrote`);
}

/** Waits until nothing is left to count; returns what is left when the time is over. */
async function awaitNone(
  count: () => Promise<number>,
  describe: (left: number) => string,
  waitMs: number,
  { clock, pause, report, signal }: ClusterDeps,
): Promise<number> {
  const deadlineMs = clock.monotonicMs() + waitMs;
  let reported = 0;
  for (;;) {
    const left = await count();
    if (left === 0 || clock.monotonicMs() >= deadlineMs) return left;
    if (left !== reported) report(describe(left));
    reported = left;
    await pause(1000, signal);
  }
}

/** Control planes of Entente or Istio that are still there: `Deployment NAMESPACE/NAME`. */
async function findOtherControlPlanes({ api, signal }: ClusterDeps): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const labelSelector of ["app=istiod", "app.kubernetes.io/name=istiod"]) {
    const { items } = await api.list(KINDS.deployments, { labelSelector, signal });
    for (const item of items) found.add(describeObject({ ...item, kind: "Deployment" }));
  }
  return [...found];
}

async function deleteRootCertificates({ api, report, signal }: ClusterDeps): Promise<void> {
  const { items } = await api.list(KINDS.configMaps, {
    fieldSelector: `metadata.name=${STATE_NAMES.rootsConfigMap}`,
    signal,
  });
  for (const { metadata } of items) {
    await api.delete(
      KINDS.configMaps,
      { name: STATE_NAMES.rootsConfigMap, namespace: metadata.namespace ?? "" },
      { signal },
    );
  }
  if (items.length > 0) report(`ConfigMap ${STATE_NAMES.rootsConfigMap} deleted in ${items.length} namespaces`);
}

/** The authority's key is what the mesh's trust rests on: without a purge it stays, and a new installation uses it. */
async function removeState(options: UninstallOptions, others: readonly string[], deps: ClusterDeps): Promise<void> {
  const { namespace } = options;
  await deleteNamed(KINDS.secrets, { namespace, name: injectorNames(options).secret }, deps);
  if (options.mode === "keep") return await reportKept(options, deps);
  if (others.length > 0) {
    deps.report(`the authority's key, the resource definitions and the namespace are left to ${others.join(", ")}`);
    return;
  }
  await deleteNamed(KINDS.secrets, { namespace, name: STATE_NAMES.authoritySecret }, deps);
  for (const name of await ownDefinitions(deps)) await deleteNamed(KINDS.customResourceDefinitions, { name }, deps);
  await deleteNamespace(options, deps);
}

async function reportKept({ namespace }: UninstallOptions, deps: ClusterDeps): Promise<void> {
  const secret = await deps.api.get(
    KINDS.secrets,
    { namespace, name: STATE_NAMES.authoritySecret },
    { signal: deps.signal },
  );
  if (secret !== undefined) deps.report(`Secret ${namespace}/${STATE_NAMES.authoritySecret} kept: the authority's key`);
  const definitions = await ownDefinitions(deps);
  if (definitions.length > 0)
    deps.report(`${definitions.length} resource definitions kept, with the mesh's policies and routes`);
  if (secret !== undefined || definitions.length > 0) deps.report("entente uninstall --purge removes these too");
}

async function ownDefinitions({ api, signal }: ClusterDeps): Promise<readonly string[]> {
  const labelSelector = formatSelector(OWNER_LABELS);
  const { items } = await api.list(KINDS.customResourceDefinitions, { labelSelector, signal });
  return items.map(({ metadata }) => metadata.name);
}

/**
 * Only one that the installation made, and in which nothing of the user's is left. Waits until it is gone: as long as it
 * is there, the mesh cannot be installed again.
 */
async function deleteNamespace({ namespace: name, waitMs }: UninstallOptions, deps: ClusterDeps): Promise<void> {
  const { api, report, signal } = deps;
  const { items } = await api.list(KINDS.namespaces, { labelSelector: formatSelector(OWNER_LABELS), signal });
  if (!items.some(({ metadata }) => metadata.name === name)) return;
  const pods = await api.list(KINDS.pods, { namespace: name, limit: 1, signal });
  const operatorSecret = await api.get(
    KINDS.secrets,
    { namespace: name, name: STATE_NAMES.operatorSecret },
    { signal },
  );
  if (pods.items.length > 0 || operatorSecret !== undefined) {
    const left = operatorSecret === undefined ? "pods" : `the Secret ${STATE_NAMES.operatorSecret}`;
    report(`Namespace ${name} kept: it still has ${left}`);
    return;
  }
  await deleteNamed(KINDS.namespaces, { name }, deps);
  const count = async (): Promise<number> => ((await api.get(KINDS.namespaces, { name }, { signal })) ? 1 : 0);
  const left = await awaitNone(count, () => `waiting for the end of Namespace ${name}`, waitMs, deps);
  if (left > 0) report(`Namespace ${name} is still being deleted: kubectl describe namespace ${name} says why`);
}

async function deleteNamed(kind: ApiKind, name: ObjectName, { api, report, signal }: ClusterDeps): Promise<void> {
  const before = await api.get(kind, name, { signal });
  if (before === undefined) return;
  await api.delete(kind, name, { signal });
  report(`${describeObject({ ...before, kind: kind.kind })} deleted`);
}

const PAGE = 500;

/** Their certificates are no longer renewed: after a day, connections between them fail. */
async function reportSidecars({ api, report, signal }: ClusterDeps): Promise<void> {
  let count = 0;
  let next: string | undefined;
  do {
    const page = await api.list(KINDS.pods, {
      labelSelector: "security.istio.io/tlsMode=istio",
      limit: PAGE,
      ...(next !== undefined && { continue: next }),
      signal,
    });
    count += page.items.length;
    next = page.continue;
  } while (next !== undefined);
  if (count > 0) report(`${count} pods still have a sidecar, whose certificate is no longer renewed: restart them`);
}
