import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { startReflector } from "../../kubernetes/reflector/reflector.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";

/** A node that can run sidecars, and its kubelet's version. */
export interface KubeletVersion {
  /** `v1.34.3`, with suffixes such as `-gke.1` and `+k3s1`. */
  readonly kubeletVersion: string;
}

/** Restartable init containers are on by default from this kubelet on. */
const FIRST_MINOR = 29;

/**
 * Whether the pods of this cluster can have native sidecars: every node's kubelet has to know them, because the
 * scheduler may choose any node. Without nodes, the answer is no.
 */
export function supportNativeSidecars(nodes: Iterable<KubeletVersion>): boolean {
  const versions = [...nodes];
  return versions.length > 0 && versions.every(({ kubeletVersion }) => isNewEnough(kubeletVersion));
}

export interface NodeDeps {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** `auto`: as the nodes allow. */
export type NativeSidecarChoice = "auto" | "on" | "off";

/** How long injection waits for the nodes. Without them, sidecars are regular containers. */
const NODES_TIMEOUT_MS = 20_000;

/** Whether to inject native sidecars now; undefined until the nodes are known, for a while at most. */
export function chooseNativeSidecars(choice: NativeSidecarChoice, deps: NodeDeps): () => boolean | undefined {
  if (choice !== "auto") return () => choice === "on";
  const { clock, log, signal } = deps;
  let isSupported: boolean | undefined;
  const nodes = startReflector<KubeletVersion>(deps, {
    selection: { kind: KINDS.nodes },
    transform: kubeletVersionOf,
    onChanges: () => update(),
    signal,
  });
  const update = (): void => {
    const before = isSupported;
    isSupported = supportNativeSidecars(nodes.objects.values());
    if (isSupported !== before) log.info({ nodes: nodes.objects.size, isSupported }, "native sidecars by the nodes");
  };
  // Also for a cluster without nodes.
  void nodes.synced.then(update);
  const timer = clock.setTimeout(() => {
    if (isSupported !== undefined) return;
    isSupported = false;
    log.warn({ code: "nodes_unknown" }, "the nodes are not known yet: sidecars are regular containers");
  }, NODES_TIMEOUT_MS);
  signal.addEventListener("abort", () => timer.cancel(), { once: true });
  return () => isSupported;
}

/** What matters of a node; undefined for one that cannot run the sidecar anyway. */
export function kubeletVersionOf({ status }: KubernetesObject): KubeletVersion | undefined {
  const { kubeletVersion, operatingSystem } = fieldsOf(fieldsOf(status)["nodeInfo"]);
  if (operatingSystem === "windows") return undefined;
  return { kubeletVersion: typeof kubeletVersion === "string" ? kubeletVersion : "" };
}

function isNewEnough(version: string): boolean {
  const [, major, minor] = /^v?(\d{1,3})\.(\d{1,3})\b/.exec(version) ?? [];
  return Number(major) > 1 || (Number(major) === 1 && Number(minor) >= FIRST_MINOR);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
