import type { ApiKind, KubernetesApi } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import type { Selection } from "./list-pages.ts";
import { isBackwards, type Outcome } from "./reflector-plan.ts";

export interface Resumption {
  readonly selection: Selection;
  readonly resourceVersion: string;
  readonly signal: AbortSignal;
}

/**
 * Undefined: a watch can be resumed. After etcd was restored from an older backup our version lies in the future: a
 * server accepts such a watch and sends nothing until then. The version of a list of one object shows it.
 */
export async function refuseResumption(
  api: KubernetesApi,
  { selection, resourceVersion, signal }: Resumption,
): Promise<Extract<Outcome, { readonly kind: "watch-lost" | "watch-refused" }> | undefined> {
  const { kind, ...selectors } = selection;
  try {
    const newest = await api.list(kind, { ...selectors, limit: 1, signal });
    const isBehind = isBackwards(resourceVersion, newest.resourceVersion);
    return isBehind ? { kind: "watch-lost", resourceVersion, why: "backwards" } : undefined;
  } catch (caught) {
    if (signal.aborted || !(caught instanceof KubernetesApiError)) throw caught;
    return { kind: "watch-refused", resourceVersion, error: caught };
  }
}

/**
 * Whether the server does not have a kind. Asked after a 404, which can also come from a server that is still starting:
 * its list of kinds decides, and without it the kind counts as present.
 */
export async function isKindAbsent(api: KubernetesApi, kind: ApiKind, signal: AbortSignal): Promise<boolean> {
  const served = await api.discover(kind.group, { signal }).catch(() => undefined);
  return served?.some(({ version, plural }) => version === kind.version && plural === kind.plural) === false;
}
