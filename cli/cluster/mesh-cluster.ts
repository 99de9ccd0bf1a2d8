import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { createKubernetesClient } from "../../kubernetes/kubernetes-client.ts";
import { loadClusterAccess } from "../../kubernetes/load-cluster-access.ts";
import { PodPorts } from "../../kubernetes/pod-port/pod-ports.ts";
import { readServerClock } from "../../kubernetes/server-clock.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { OperatorError } from "../../operator/operator-error.ts";
import type { CommandContext } from "../command.ts";
import type { OptionTable } from "../command-line/command-description.ts";
import { VERSION } from "../version.ts";
import { CLUSTER_OPTIONS, type ClusterOptionValues } from "./cluster-options.ts";
import { createStderrLogger } from "./stderr-logger.ts";

/** The options of commands that ask a cluster about the mesh. */
export const MESH_OPTIONS = {
  ...CLUSTER_OPTIONS,
  "istio-namespace": {
    type: "string",
    short: "i",
    default: "istio-system",
    value: "NAME",
    help: "the control plane's namespace",
  },
} as const satisfies OptionTable;

/** For commands that read pages of pods. */
export const LOCAL_OPTION = {
  local: { type: "boolean", short: "l", help: "ask the cluster that entente local runs on this machine (as root)" },
} as const satisfies OptionTable;

export interface MeshOptionValues extends ClusterOptionValues {
  readonly "istio-namespace": string;
}

/** A cluster with a mesh, as the commands of operators see it. */
export interface MeshCluster {
  readonly api: KubernetesApi;
  readonly pods: PodPorts;
  /** The API server, for messages. */
  readonly server: string;
  /** Of the kubeconfig's context. */
  readonly namespace: string;
  /** The control plane's. */
  readonly rootNamespace: string;
  /** How far the API server's clock is ahead of this machine's, in milliseconds. */
  readonly readClock: (signal: AbortSignal) => Promise<number>;
}

/** Connects to the cluster that the options name for as long as `use` runs. */
export async function withMeshCluster<Result>(
  values: MeshOptionValues,
  { env, stderr }: Pick<CommandContext, "env" | "stderr">,
  use: (cluster: MeshCluster) => Promise<Result>,
): Promise<Result> {
  const { kubeconfig, context, "istio-namespace": rootNamespace } = values;
  const access = await loadClusterAccess({ kubeconfig, context, environment: env });
  const log = createStderrLogger(stderr);
  const userAgent = `entente/${VERSION}`;
  const api = createKubernetesClient({ access, clock: systemClock, random: Math.random, log }, { userAgent });
  const pods = new PodPorts({ access, clock: systemClock, userAgent });
  try {
    const { server, namespace } = access;
    const readClock = (signal: AbortSignal) => readServerClock({ access, now: systemClock.now, signal });
    return await use({ api, pods, server, namespace, rootNamespace, readClock });
  } catch (caught) {
    throw explainRefusal(caught);
  } finally {
    await Promise.all([api.close(), pods.close()]);
  }
}

/** What the caller can do about missing rights. */
function explainRefusal(caught: unknown): unknown {
  if (!(caught instanceof KubernetesApiError)) return caught;
  const hint = REFUSALS.get(caught.status ?? 0);
  if (hint === undefined) return caught;
  return new OperatorError("not_allowed", `${caught.message.slice(caught.code.length + 2)}: ${hint}`, {
    cause: caught,
  });
}

const REFUSALS: ReadonlyMap<number, string> = new Map([
  [401, "log in again, or correct the kubeconfig's credentials"],
  [403, "a cluster administrator can grant this right"],
]);
