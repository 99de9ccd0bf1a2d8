import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Authority } from "../ca-agent/authority/authority.ts";
import { openAuthority } from "../ca-agent/authority/open-authority.ts";
import { mutatingWebhookConfiguration } from "../injector/admission/webhook-configuration.ts";
import { parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { type Logger, systemClock } from "../mesh/runtime.ts";
import { createAddressPlan } from "./addresses.ts";
import { type Admission, createAdmission } from "./admit-pod.ts";
import { DEFAULT_IMAGES, type ImageTable } from "./images.ts";
import { LocalError } from "./local-error.ts";
import type { LocalPod } from "./local-pod.ts";
import { createNodeNetwork } from "./node-network.ts";
import { type PlannedPod, planPods } from "./plan-pods.ts";
import { giveTo, PodHost } from "./pod-host.ts";
import { checkMachine } from "./preconditions.ts";
import { type PublishedPort, publishPort } from "./publish-port.ts";
import { type Manifest, readManifests } from "./read-manifests.ts";
import { createRunFolder, removeRun, removeStaleRuns } from "./run-folder.ts";
import { createTokenSigner, type TokenSigner } from "./service-account-tokens.ts";
import { createServices, type LocalService } from "./services.ts";
import { CONTROL_PLANE_NAMESPACE, systemManifests, WEBHOOK_SERVICE } from "./system-manifests.ts";

export interface LocalClusterOptions {
  /** Folders of manifests; policies in them stay live. */
  readonly manifests: readonly string[];
  /** Ports of the host's 127.0.0.1 that lead to a Service's pods. */
  readonly publish: readonly PublishRequest[];
  /** Added to DEFAULT_IMAGES. */
  readonly images?: ImageTable;
  /** For the control plane's `--workload-cert-ttl`, such as `20s`. */
  readonly workloadCertificateTtl?: string;
  readonly log: Logger;
  /** Told at each step, in words for the user. */
  readonly onProgress?: (step: string) => void;
  readonly signal: AbortSignal;
}

export interface PublishRequest {
  readonly hostPort: number;
  /** `name.namespace` */
  readonly service: string;
  readonly port: number;
}

export interface LocalCluster {
  readonly pods: readonly LocalPod[];
  /** The authority's folder, with its root and private key. */
  readonly authorityFolder: string;
  readonly published: readonly { readonly hostPort: number; readonly service: string }[];
  stop(): Promise<void>;
}

const PROJECT_FOLDER = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const SYSTEM_UID = 1337;
const READY_WITHIN_MS = 45_000;
const WEBHOOK_CERTIFICATE_MS = 30 * 86_400_000;

/**
 * Brings a folder of manifests up on this machine. From here on this process lives in the cluster's network namespace.
 * Whatever goes wrong, what was made is taken away again before the error is thrown.
 */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  checkMachine({ platform: process.platform, uid: process.getuid?.(), projectFolder: PROJECT_FOLDER });
  removeStaleRuns();
  const user = options.manifests.flatMap(readManifests);
  const run = createRunFolder(`${process.pid.toString(36)}${Date.now().toString(36).slice(-3)}`);
  const undo: (() => Promise<void> | void)[] = [() => removeRun(run.id)];
  const stop = async (): Promise<void> => {
    for (const action of undo.splice(0).reverse()) await action();
  };
  try {
    return await bringUp({ options, user, run, undo, stop });
  } catch (caught) {
    await stop();
    throw caught;
  }
}

interface BringUp {
  readonly options: LocalClusterOptions;
  readonly user: readonly Manifest[];
  readonly run: { readonly id: string; readonly path: string };
  readonly undo: (() => Promise<void> | void)[];
  readonly stop: () => Promise<void>;
}

async function bringUp(context: BringUp): Promise<LocalCluster> {
  const { options, run, undo, stop } = context;
  const progress = options.onProgress ?? (() => undefined);
  const ports = await openPorts(options.publish, undo);
  progress("making the node's network");
  createNodeNetwork(run.id);
  const system = await prepareSystem(context);
  undo.push(() => system.host.stop());

  progress("starting the control plane and the injector");
  const [controlPlane, injector, gateway] = system.pods;
  if (controlPlane === undefined || injector === undefined || gateway === undefined) {
    throw new LocalError("bad_manifest", "local/system.yaml lacks one of its Deployments");
  }
  await startAll(system.host, [controlPlane, injector], options.signal);
  undo.push(() => system.admission.close());

  progress("starting the gateway and the pods");
  const admitted: PlannedPod[] = [gateway];
  for (const pod of planPods(context.user, Math.random)) {
    admitted.push(await system.admission.admit(pod, system.namespaceLabels(pod.namespace)));
  }
  await startAll(system.host, admitted, options.signal, progress);
  for (const [index, port] of ports.entries()) port.forwardTo(targetOf(options.publish[index], system.services));
  return {
    pods: system.host.pods,
    authorityFolder: system.authorityFolder,
    published: options.publish.map(({ service }, index) => ({ service, hostPort: ports[index]?.port ?? 0 })),
    stop,
  };
}

async function openPorts(
  requests: readonly PublishRequest[],
  undo: BringUp["undo"],
): Promise<readonly PublishedPort[]> {
  const ports: PublishedPort[] = [];
  for (const { hostPort } of requests) {
    const port = await publishPort(hostPort);
    ports.push(port);
    undo.push(() => port.close());
  }
  return ports;
}

interface System {
  readonly host: PodHost;
  readonly pods: readonly PlannedPod[];
  readonly services: readonly LocalService[];
  readonly admission: Admission;
  readonly authorityFolder: string;
  readonly namespaceLabels: (namespace: string) => Readonly<Record<string, string>>;
}

async function prepareSystem({ options, user, run }: BringUp): Promise<System> {
  const folders = systemFolders(run.path, options.manifests);
  const authority = await prepareAuthority(folders.authority, options.log);
  const tokens = await prepareTokens(folders.jwks);
  const manifests = [
    ...systemManifests(readFileSync(join(PROJECT_FOLDER, "local/system.yaml"), "utf8"), {
      folders,
      workloadCertificateTtl: options.workloadCertificateTtl,
    }),
    ...user,
  ];
  const plan = createAddressPlan();
  const services = createServices(manifests, plan);
  const serving = authority.signServing({ dnsNames: [WEBHOOK_NAME], lifetimeMs: WEBHOOK_CERTIFICATE_MS });
  const roots = authority.roots().join("");
  const host = new PodHost({
    runId: run.id,
    folder: run.path,
    plan,
    services,
    tokens,
    projectFolder: PROJECT_FOLDER,
    images: { ...DEFAULT_IMAGES, ...options.images },
    node: process.execPath,
    log: options.log,
    findFiles: (namespace, kind, name) => {
      if (kind === "ConfigMap" && name === "istio-ca-root-cert") return { "root-cert.pem": roots };
      if (kind === "Secret" && name === "sidecar-injector-tls" && namespace === CONTROL_PLANE_NAMESPACE) {
        return { "tls.crt": serving.certificateChainPem, "tls.key": serving.privateKeyPem };
      }
      return undefined;
    },
  });
  const labels = collectNamespaceLabels(manifests);
  return {
    host,
    services,
    authorityFolder: folders.authority,
    pods: planPods(manifests.slice(0, manifests.length - user.length), Math.random),
    admission: prepareAdmission(services, roots),
    namespaceLabels: (namespace) => labels.get(namespace) ?? {},
  };
}

const WEBHOOK_NAME = `${WEBHOOK_SERVICE}.${CONTROL_PLANE_NAMESPACE}.svc`;

function systemFolders(runPath: string, manifests: readonly string[]) {
  const folders = {
    manifests: manifests.map((folder) => resolve(folder)),
    cluster: join(runPath, "cluster"),
    authority: join(runPath, "ca"),
    jwks: join(runPath, "jwks"),
    webhookCertificate: join(runPath, "webhook"),
  };
  for (const folder of [folders.cluster, folders.authority, folders.jwks])
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const folder of [folders.cluster, folders.jwks]) chmodSync(folder, 0o755);
  return folders;
}

/** The root is made here, so that pods can be given it before the control plane runs; then it is the control plane's. */
async function prepareAuthority(folder: string, log: Logger): Promise<Authority> {
  const trustDomain = parseTrustDomain("cluster.local");
  const authority = await openAuthority({ directory: folder, trustDomain, clock: systemClock, log });
  const entries = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
  giveTo(SYSTEM_UID, folder, ...entries);
  return authority;
}

async function prepareTokens(folder: string): Promise<TokenSigner> {
  const tokens = await createTokenSigner();
  writeFileSync(join(folder, "jwks.json"), tokens.jwks, { mode: 0o644 });
  return tokens;
}

function prepareAdmission(services: readonly LocalService[], rootCertificates: string): Admission {
  const service = services.find(({ name }) => name === WEBHOOK_SERVICE);
  return createAdmission({
    configuration: mutatingWebhookConfiguration({ serviceName: WEBHOOK_SERVICE, rootCertificates }),
    origin: `https://${service?.clusterIp}:443`,
    serverName: WEBHOOK_NAME,
    rootCertificates,
  });
}

/** Labels of Namespace manifests; of a namespace that stands twice both count, as after `kubectl label`. */
function collectNamespaceLabels(manifests: readonly Manifest[]): ReadonlyMap<string, Readonly<Record<string, string>>> {
  const labels = new Map<string, Readonly<Record<string, string>>>();
  for (const manifest of manifests) {
    if (manifest.kind !== "Namespace") continue;
    labels.set(manifest.name, { ...labels.get(manifest.name), ...manifest.labels });
  }
  return labels;
}

async function startAll(
  host: PodHost,
  planned: readonly PlannedPod[],
  signal: AbortSignal,
  progress: (step: string) => void = () => undefined,
): Promise<void> {
  const started = await Promise.all(planned.map((pod) => host.start(pod)));
  let ready = 0;
  await Promise.all(
    started.map(async (pod) => {
      await host.whenReady(pod, READY_WITHIN_MS, signal);
      ready += 1;
      progress(`${ready} of ${started.length} pods are ready`);
    }),
  );
}

function targetOf(request: PublishRequest | undefined, services: readonly LocalService[]) {
  const service = services.find(({ name, namespace }) => `${name}.${namespace}` === request?.service);
  if (request === undefined || service === undefined) {
    throw new LocalError("bad_manifest", `there is no Service ${request?.service} to publish`);
  }
  return { ip: service.clusterIp, port: request.port };
}
