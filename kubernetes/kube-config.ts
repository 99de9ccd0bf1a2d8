import { readFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";
import { MeshError } from "../mesh/mesh-error.ts";
import type { ApiCredentials, ApiTls, ClusterAccess } from "./cluster-access.ts";
import { decideProxy, type Environment } from "./environment-proxy.ts";
import { type KubeConfigContent, readKubeConfigFiles, unusable } from "./kube-config-files.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";
import { type Fields, isFields } from "./requests/api-response.ts";

export interface KubeConfigOptions {
  /** Kubeconfig files: the first that names something counts. */
  readonly paths: readonly string[];
  /** @default the files' current context */
  readonly context?: string | undefined;
  readonly environment: Environment;
}

/** The access that kubeconfig files describe: certificates, tokens, token files, basic and credential plugins. */
export async function readKubeConfig(options: KubeConfigOptions): Promise<ClusterAccess> {
  let chosen = chooseContext(await readKubeConfigFiles(options.paths), options.context);
  const { server } = chosen;
  const proxy = chosen.proxy ?? decideProxy(server, options.environment);
  return {
    server,
    namespace: chosen.namespace,
    ...(proxy !== undefined && { proxy }),
    credentials: async (which) => {
      if (which === "renewed") chosen = chooseContext(await readKubeConfigFiles(options.paths), options.context);
      return await chosen.credentials();
    },
  };
}

interface ChosenContext {
  readonly server: string;
  readonly namespace: string;
  readonly proxy: string | undefined;
  readonly credentials: () => Promise<ApiCredentials>;
}

function chooseContext(content: KubeConfigContent, asked: string | undefined): ChosenContext {
  const { files } = content;
  const name = asked ?? content.currentContext;
  if (name === undefined) throw unusable(files, "it has no current-context: set one, or pass --context");
  const context = partOf(content.contexts, { name, part: "context", files });
  const clusterName = textOf(context["cluster"]);
  const userName = textOf(context["user"]);
  const cluster = partOf(content.clusters, { name: clusterName, part: "cluster", files });
  const user = userName === "" ? {} : partOf(content.users, { name: userName, part: "user", files });
  const server = textOf(cluster["server"]).replace(/\/+$/, "");
  const isVerified = cluster["insecure-skip-tls-verify"] !== true;
  checkServer(server, { isVerified, files, clusterName });
  const config = new KubeConfig();
  config.loadFromString(
    JSON.stringify({
      clusters: [{ name: clusterName, cluster: { ...cluster, server } }],
      users: [{ name: userName || "none", user: withExecInfo(user, { ...cluster, server }) }],
      contexts: [{ name, context: { cluster: clusterName, user: userName || "none" } }],
      "current-context": name,
    }),
  );
  return {
    server,
    namespace: textOf(context["namespace"]) || "default",
    proxy: textOf(cluster["proxy-url"]) || undefined,
    credentials: sharedWhilePending(() => readCredentials(config, { user, userName, isVerified })),
  };
}

/** A token in plaintext could be read on its way. */
function checkServer(server: string, { isVerified, files, clusterName }: ServerCheck): void {
  if (!URL.canParse(server) || !/^https?:/.test(server)) {
    throw unusable(files, `the server of cluster ${clusterName} is not an https:// URL`);
  }
  if (server.startsWith("http:") && isVerified) {
    throw unusable(files, `${server} is not HTTPS; if that is intended, set insecure-skip-tls-verify: true`);
  }
}

interface ServerCheck {
  readonly isVerified: boolean;
  readonly files: string;
  readonly clusterName: string;
}

interface UserEntry {
  readonly user: Fields;
  readonly userName: string;
  readonly isVerified: boolean;
}

async function readCredentials(config: KubeConfig, { user, userName, isVerified }: UserEntry): Promise<ApiCredentials> {
  const options: RequestOptions = { headers: {} };
  const tokenFile = textOf(user["tokenFile"]);
  try {
    await config.applyToHTTPSOptions(options);
    const token = tokenFile === "" ? undefined : (await readFile(tokenFile, "utf8")).trim();
    const tls = tlsFrom(options, isVerified);
    return { headers: { ...headersFrom(options, user), ...(token && { authorization: `Bearer ${token}` }) }, tls };
  } catch (caught) {
    throw new KubernetesApiError("api_credentials", credentialFault(user, userName, caught), { cause: caught });
  }
}

function headersFrom({ headers, auth }: RequestOptions, user: Fields): Record<string, string | string[]> {
  const found: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (typeof value === "string") found[name.toLowerCase()] = value;
  }
  if (typeof auth === "string") found["authorization"] = `Basic ${Buffer.from(auth).toString("base64")}`;
  const groups = user["as-groups"];
  if (Array.isArray(groups)) found["impersonate-group"] = groups.map(String);
  return found;
}

function tlsFrom({ ca, cert, key, servername }: RequestOptions, isVerified: boolean): ApiTls {
  const pem = { ca: pemOf(ca), cert: pemOf(cert), key: pemOf(key) };
  return {
    ...(pem.ca !== undefined && { ca: pem.ca }),
    ...(pem.cert !== undefined && { cert: pem.cert }),
    ...(pem.key !== undefined && { key: pem.key }),
    ...(servername !== undefined && { servername }),
    verification: isVerified ? "full" : "none",
  };
}

function pemOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return Buffer.isBuffer(value) ? value.toString("utf8") : undefined;
}

/** Credential plugins require to be told their protocol, and may ask for the cluster (client.authentication.k8s.io). */
function withExecInfo(user: Fields, cluster: Fields): Fields {
  const { exec } = user;
  if (!isFields(exec)) return user;
  const clusterInfo = {
    server: cluster["server"],
    "tls-server-name": cluster["tls-server-name"],
    "insecure-skip-tls-verify": cluster["insecure-skip-tls-verify"],
    "certificate-authority-data": cluster["certificate-authority-data"],
    "proxy-url": cluster["proxy-url"],
  };
  const info = {
    apiVersion: exec["apiVersion"],
    kind: "ExecCredential",
    spec: { interactive: false, ...(exec["provideClusterInfo"] === true && { cluster: clusterInfo }) },
  };
  const environment = Array.isArray(exec["env"]) ? exec["env"] : [];
  const env = [...environment, { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }];
  return { ...user, exec: { ...exec, env } };
}

/** What a plugin wrote is for the user: it often says how to log in again. */
const MAX_PLUGIN_TEXT = 500;

function credentialFault({ exec }: Fields, userName: string, caught: unknown): string {
  const why = MeshError.from(caught).message.slice(0, MAX_PLUGIN_TEXT).trim();
  if (!isFields(exec)) return `the credentials of user ${userName} cannot be read: ${why}`;
  const hint = textOf(exec["installHint"]).trim();
  const text = `the credential plugin ${textOf(exec["command"])} of user ${userName} failed: ${why}`;
  return hint === "" ? text : `${text} (${hint})`;
}

/** Simultaneous requests share one run of a credential plugin. */
function sharedWhilePending<Value>(run: () => Promise<Value>): () => Promise<Value> {
  let pending: Promise<Value> | undefined;
  return () => {
    pending ??= run().finally(() => {
      pending = undefined;
    });
    return pending;
  };
}

interface PartQuery {
  readonly name: string;
  readonly part: "cluster" | "user" | "context";
  readonly files: string;
}

function partOf(all: readonly Fields[], { name, part, files }: PartQuery): Fields {
  const found = all.find((entry) => entry["name"] === name)?.[part];
  if (isFields(found)) return found;
  const names = all.map((entry) => String(entry["name"])).join(", ");
  throw unusable(files, `there is no ${part} "${name}" (there ${all.length === 1 ? "is" : "are"}: ${names || "none"})`);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
