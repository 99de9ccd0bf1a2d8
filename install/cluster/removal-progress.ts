import { KINDS } from "../../kubernetes/kinds.ts";
import { formatCount } from "../../mesh/format-count.ts";
import { installationLabels } from "../objects/names.ts";
import type { ClusterDeps } from "./await-rollout.ts";
import { formatSelector } from "./installed-kinds.ts";
import type { RemovalStep } from "./removal-report.ts";

/** What a removal needs of the process. */
export interface RemovalDeps extends Omit<ClusterDeps, "report"> {
  readonly report: (step: RemovalStep) => void;
}

interface AwaitedInstallation {
  readonly namespace: string;
  readonly revision: string;
  readonly waitMs: number;
}

/** Waits for the installation's pods: the control plane would write the root certificates again. */
export async function awaitPodsGone(options: AwaitedInstallation, deps: RemovalDeps): Promise<void> {
  const { api, report, signal } = deps;
  const labelSelector = formatSelector(installationLabels(options));
  const count = async (): Promise<number> =>
    (await api.list(KINDS.pods, { namespace: options.namespace, labelSelector, signal })).items.length;
  const left = await awaitNone(count, (pods) => `waiting for ${formatCount(pods, "pod")} to end`, options.waitMs, deps);
  const text = `${formatCount(left, "pod has", "pods have")} not ended; run uninstall again later, to remove what is left`;
  if (left > 0) report({ kind: "note", text });
}

/** Waits until a deleted namespace is gone, at most `waitMs`. */
export async function awaitNamespaceGone(name: string, waitMs: number, deps: RemovalDeps): Promise<void> {
  const { api, report, signal } = deps;
  const count = async (): Promise<number> => ((await api.get(KINDS.namespaces, { name }, { signal })) ? 1 : 0);
  const left = await awaitNone(count, () => `waiting for the end of Namespace ${name}`, waitMs, deps);
  const text = `Namespace ${name} is still being deleted: kubectl describe namespace ${name} says why`;
  if (left > 0) report({ kind: "note", text });
}

/** Waits until nothing is left to count; returns what is left when the time is over. */
async function awaitNone(
  count: () => Promise<number>,
  describe: (left: number) => string,
  waitMs: number,
  { clock, pause, report, signal }: RemovalDeps,
): Promise<number> {
  const deadlineMs = clock.monotonicMs() + waitMs;
  let reported = 0;
  for (;;) {
    const left = await count();
    if (left === 0 || clock.monotonicMs() >= deadlineMs) return left;
    if (left !== reported) report({ kind: "note", text: describe(left) });
    reported = left;
    await pause(1000, signal);
  }
}

const PAGE = 500;

/** The pods of the whole cluster that have a sidecar. */
export async function countSidecars({ api, signal }: RemovalDeps): Promise<number> {
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
  return count;
}
