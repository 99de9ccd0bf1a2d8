import { z } from "zod";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { InstallError } from "../install-error.ts";
import { describeRollout, describeWebhooks, type Rollout } from "./describe-rollout.ts";
import { describeObject, formatSelector, installedKind } from "./installed-kinds.ts";

/** What installing and uninstalling need of the process. */
export interface ClusterDeps {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  /** Resolves after the time, rejects when the signal aborts. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** One line of progress. */
  readonly report: (line: string) => void;
  readonly signal: AbortSignal;
}

const POLL_MS = 1000;

/**
 * Waits until the pods of every Deployment are available and every webhook can be reached, and reports each change of
 * what is waited for.
 * @throws InstallError `not_available`, with the reason, at once where waiting does not help, else after the time limit
 */
export async function awaitRollout(
  objects: readonly KubernetesObject[],
  timeoutMs: number,
  deps: ClusterDeps,
): Promise<void> {
  const deadlineMs = deps.clock.monotonicMs() + timeoutMs;
  for (const object of objects) {
    const kind = installedKind(object);
    if (kind === KINDS.deployments || WEBHOOKS.has(kind)) await awaitObject(object, deadlineMs, deps);
  }
}

const WEBHOOKS: ReadonlySet<ApiKind> = new Set([KINDS.mutatingWebhooks, KINDS.validatingWebhooks]);

async function awaitObject(object: KubernetesObject, deadlineMs: number, deps: ClusterDeps): Promise<void> {
  const { clock, pause, report, signal } = deps;
  const name = describeObject(object);
  let reported = "";
  for (;;) {
    const rollout = await readRollout(object, deps);
    if (rollout.kind === "available") {
      report(`${name} is available`);
      return;
    }
    if (rollout.kind === "failed") throw new InstallError("not_available", `${name} cannot start: ${rollout.reason}`);
    if (clock.monotonicMs() >= deadlineMs) {
      throw new InstallError("not_available", `${name} did not become available in time: ${rollout.reason}`);
    }
    if (rollout.reason !== reported) report(`waiting for ${name}: ${rollout.reason}`);
    reported = rollout.reason;
    await pause(POLL_MS, signal);
  }
}

/** What the pods of a Deployment are found by. */
const deploymentSchema = z.looseObject({
  spec: z.looseObject({ selector: z.looseObject({ matchLabels: z.record(z.string(), z.string()) }) }),
});

async function readRollout(object: KubernetesObject, { api, signal }: ClusterDeps): Promise<Rollout> {
  const kind = installedKind(object);
  const { name, namespace } = object.metadata;
  const current = await api.get(kind, { name, ...(namespace && { namespace }) }, { signal });
  if (current === undefined) return { kind: "failed", reason: "it was deleted meanwhile; install again" };
  if (WEBHOOKS.has(kind)) return describeWebhooks(current);
  const labelSelector = formatSelector(deploymentSchema.parse(current).spec.selector.matchLabels);
  const { items } = await api.list(KINDS.pods, { ...(namespace && { namespace }), labelSelector, signal });
  return describeRollout(current, items);
}
