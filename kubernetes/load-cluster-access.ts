import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { ClusterAccess } from "./cluster-access.ts";
import type { Environment } from "./environment-proxy.ts";
import { readInClusterAccess, SERVICE_ACCOUNT_FOLDER } from "./in-cluster-access.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";

export interface ClusterAccessOptions {
  /** @default KUBECONFIG, then ~/.kube/config, then the pod's service account */
  readonly kubeconfig?: string | undefined;
  /** @default the kubeconfig's current context */
  readonly context?: string | undefined;
  readonly environment: Environment;
  /** @default where the kubelet mounts it */
  readonly serviceAccountFolder?: string;
}

/** Finds the API server and the credentials as kubectl does. Rejects with an error that says where was looked. */
export async function loadClusterAccess(options: ClusterAccessOptions): Promise<ClusterAccess> {
  const { environment, kubeconfig, context, serviceAccountFolder = SERVICE_ACCOUNT_FOLDER } = options;
  const paths = findKubeConfigs(kubeconfig, environment);
  if (paths.length > 0) {
    // Loaded on demand: the package takes 60 MB of memory, and a pod has no kubeconfig.
    const { readKubeConfig } = await import("./kube-config.ts");
    return await readKubeConfig({ paths, context, environment });
  }
  if (environment["KUBERNETES_SERVICE_HOST"]) return await readInClusterAccess(environment, serviceAccountFolder);
  const text = "no cluster is configured: there is no KUBECONFIG, no ~/.kube/config, and this process is not in a pod";
  throw new KubernetesApiError("api_credentials", `${text}; pass --kubeconfig FILE`);
}

function findKubeConfigs(kubeconfig: string | undefined, environment: Environment): readonly string[] {
  if (kubeconfig !== undefined) return [kubeconfig];
  const listed = (environment["KUBECONFIG"] ?? "").split(delimiter).filter((path) => path !== "");
  if (listed.length > 0) return listed;
  const home = environment["HOME"];
  const usual = home ? join(home, ".kube", "config") : undefined;
  return usual !== undefined && existsSync(usual) ? [usual] : [];
}
