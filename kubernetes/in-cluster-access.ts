import { readFile } from "node:fs/promises";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { MeshError } from "../mesh/mesh-error.ts";
import type { ClusterAccess } from "./cluster-access.ts";
import { decideProxy, type Environment } from "./environment-proxy.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";

/** Where the kubelet mounts a pod's service account. */
export const SERVICE_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * The access of a pod's own service account. The kubelet replaces token and authority while the pod runs, so both are
 * read for each request.
 */
export async function readInClusterAccess(
  environment: Environment,
  folder: string = SERVICE_ACCOUNT_FOLDER,
): Promise<ClusterAccess> {
  const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
  const port = environment["KUBERNETES_SERVICE_PORT"] ?? "443";
  if (host === "") {
    const text = "KUBERNETES_SERVICE_HOST is not set: this process is not in a pod";
    throw new KubernetesApiError("api_credentials", text);
  }
  const server = `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const proxy = decideProxy(server, environment);
  return {
    server,
    namespace: await readAccountFile(folder, "namespace"),
    ...(proxy !== undefined && { proxy }),
    credentials: async () => {
      const [token, ca] = await Promise.all([readAccountFile(folder, "token"), readAccountFile(folder, "ca.crt")]);
      return { headers: { authorization: `Bearer ${token}` }, tls: { ca, verification: "full" } };
    },
  };
}

async function readAccountFile(folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  try {
    const text = (await readFile(path, "utf8")).trim();
    if (text !== "") return text;
  } catch (caught) {
    const why = MeshError.from(caught).message;
    const text = `the service account's ${name} cannot be read: ${why} (is automountServiceAccountToken off?)`;
    throw new KubernetesApiError("api_credentials", text, { cause: caught });
  }
  throw new KubernetesApiError("api_credentials", `the service account's ${name} is empty: ${path}`);
}
