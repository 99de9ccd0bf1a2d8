import { randomBytes } from "node:crypto";
import { createConfigMapControlStore } from "../../ca-agent/control/config-map-control-store.ts";
import type { ControlStore } from "../../ca-agent/control/control-store.ts";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ObjectName } from "../../kubernetes/kubernetes-api.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { checkAuthorityFolder } from "../../operator/ca/authority-folder.ts";
import { type AuthorityReplica, readAuthorityReplicas } from "../../operator/ca/read-authority.ts";
import { findLocalMesh } from "../../operator/local-pages.ts";
import { machineControlPlane } from "../../operator/machine-pages.ts";
import { readMeshPods } from "../../operator/versions/component-pods.ts";
import { LOCAL_OPTION, MESH_OPTIONS, type MeshOptionValues, withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { CommandContext } from "../command.ts";
import type { OptionTable } from "../command-line/command-description.ts";
import { parsePort } from "../option-values.ts";
import { UsageError } from "../usage-error.ts";

/** Which mesh's authority a command works on. */
export const CA_MESH_OPTIONS = {
  ...LOCAL_OPTION,
  "ca-directory": {
    type: "string",
    value: "FOLDER",
    help: "the authority of a control plane on this machine, without Kubernetes; with --local, which of several meshes",
    heading: "Without Kubernetes",
  },
  "metrics-port": {
    type: "string",
    value: "PORT",
    help: "with --ca-directory: that control plane's --metrics-port (15014)",
  },
  ...MESH_OPTIONS,
} as const satisfies OptionTable;

export interface CaMeshOptionValues extends MeshOptionValues {
  readonly local?: boolean | undefined;
  readonly "ca-directory"?: string | undefined;
  readonly "metrics-port"?: string | undefined;
}

/** A mesh whose certificate authority is asked or told something. */
export interface CaMesh {
  /** What is asked of the authority. No command reads its key. */
  readonly store: ControlStore;
  /** The control plane's namespace. */
  readonly rootNamespace: string;
  readReplicas(signal: AbortSignal): Promise<readonly AuthorityReplica[]>;
  /** The uid of a pod; `undefined` if there is no such pod. Absent: there is no API server that knows. */
  readonly findPodUid?: (pod: ObjectName) => Promise<string | undefined>;
}

/** Connects to the mesh that the options name for as long as `use` runs. */
export async function withCaMesh<Result>(
  values: CaMeshOptionValues,
  context: CommandContext,
  use: (mesh: CaMesh) => Promise<Result>,
): Promise<Result> {
  const { local, "ca-directory": directory, "metrics-port": metricsPort } = values;
  const isOutside = local === true || directory !== undefined;
  if (isOutside && values.kubeconfig !== undefined) {
    throw new UsageError("give either --kubeconfig, or --local or --ca-directory for a mesh on this machine");
  }
  if (metricsPort !== undefined && (directory === undefined || local === true)) {
    throw new UsageError("--metrics-port is for a control plane without Kubernetes: give its --ca-directory");
  }
  if (local === true) return await use(openLocal(values));
  if (directory === undefined) return await withClusterMesh(values, context, use);
  const port = metricsPort === undefined ? DEFAULT_METRICS_PORT : parsePort(metricsPort, "--metrics-port");
  return await use(await openDirectory(directory, port, values));
}

const DEFAULT_METRICS_PORT = 15_014;

function withClusterMesh<Result>(
  values: CaMeshOptionValues,
  context: CommandContext,
  use: (mesh: CaMesh) => Promise<Result>,
): Promise<Result> {
  return withMeshCluster(values, context, async ({ api, pods, rootNamespace }) => {
    const deps = { api, clock: systemClock, random: Math.random, randomBytes };
    return await use({
      store: createConfigMapControlStore({ ...deps, namespace: rootNamespace, signal: context.signal }),
      rootNamespace,
      readReplicas: async (signal) => {
        const { controlPlane } = await readMeshPods({ api, rootNamespace, signal });
        return await readAuthorityReplicas(pods, controlPlane, signal);
      },
      findPodUid: async (pod) => (await api.get(KINDS.pods, pod, { signal: context.signal }))?.metadata.uid,
    });
  });
}

function openLocal({ "ca-directory": chosen, "istio-namespace": rootNamespace }: CaMeshOptionValues): CaMesh {
  const { authority: directory, pages } = findLocalMesh(chosen);
  const controlPlane = pages.pods.filter(({ name }) => name.startsWith("istiod-"));
  return {
    store: createFileControlStore(directory, { clock: systemClock, random: Math.random }),
    rootNamespace,
    readReplicas: (signal) => readAuthorityReplicas(pages, controlPlane, signal),
  };
}

async function openDirectory(
  directory: string,
  port: number,
  { "istio-namespace": rootNamespace }: CaMeshOptionValues,
): Promise<CaMesh> {
  await checkAuthorityFolder(directory);
  const { pages, name } = machineControlPlane(port);
  return {
    store: createFileControlStore(directory, { clock: systemClock, random: Math.random }),
    rootNamespace,
    readReplicas: (signal) => readAuthorityReplicas(pages, [name], signal),
  };
}
