import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { MeshError } from "../mesh/mesh-error.ts";
import type { Logger } from "../mesh/runtime.ts";
import { LocalError } from "./local-error.ts";
import { gatewayHosts } from "./network/gateway-hosts.ts";
import { createNodeNetwork } from "./network/node-network.ts";
import { type PortRequest, type PublishedPort, publishPort } from "./network/publish-port.ts";
import { hasAddress, type LocalService } from "./network/services.ts";
import type { ImageTable } from "./pods/images.ts";
import type { ContainerEnds, LocalPod } from "./pods/local-pod.ts";
import { type PlannedPod, renamePod } from "./pods/plan-pods.ts";
import type { PodRemoval, RunLimits } from "./pods/pod-host.ts";
import { type Manifest, readManifests } from "./read-manifests.ts";
import { createRunFolder, namespaceName, type RunFolder, removeRun, removeStaleRuns } from "./run-folder.ts";
import { checkMachine } from "./system/preconditions.ts";
import { prepareSystem, type System } from "./system/prepare-system.ts";
import { createUndoList, type UndoList } from "./undo-list.ts";

export interface LocalClusterOptions {
  /** Folders of manifests; changed policies in them apply immediately. */
  readonly manifests: readonly string[];
  /** Ports of the host's 127.0.0.1 that lead to a Service's pods. */
  readonly publish: readonly PublishRequest[];
  /** Image to file, in addition to DEFAULT_IMAGES. Relative files are in the project's folder. */
  readonly images?: ImageTable;
  /** For the control plane's `--workload-cert-ttl`, such as `20s`. */
  readonly workloadCertificateTtl?: string;
  /** Whether sidecars log each request to their output. @default false */
  readonly accessLog?: boolean;
  /** The time limit for a pod to become ready, but not for control plane and injector. @default 45000 */
  readonly readyWithinMs?: number;
  readonly log: Logger;
  /** Called at each step, with text for the user. */
  readonly onProgress?: (step: string) => void;
  /** Called with a sentence when a container exits that should run. */
  readonly onFailure?: (message: string) => void;
  /** Called with a sentence for each difference between the manifests' effect here and in a cluster. */
  readonly onWarning?: (message: string) => void;
  /** Kills containers that are being stopped, without further waiting. */
  readonly forceSignal?: AbortSignal;
  /** Ends a running start; a running cluster is ended by its `stop`. */
  readonly signal: AbortSignal;
}

export interface PublishRequest extends PortRequest {
  /** `name.namespace` */
  readonly service: string;
  readonly port: number;
}

export interface PublishedService {
  readonly service: string;
  /** The port of 127.0.0.1 that leads to it. */
  readonly hostPort: number;
  /** The requested port, if another program listens there. */
  readonly takenPort?: number;
}

export interface LocalCluster {
  readonly pods: readonly LocalPod[];
  /** The authority's folder, with its root and private key. */
  readonly authorityFolder: string;
  /** Contains a folder per pod with a file per container. */
  readonly logFolder: string;
  readonly published: readonly PublishedService[];
  /** Host names that the gateway serves. */
  readonly gatewayHosts: readonly string[];
  /** Creates another pod from a pod's template, as a Deployment does in a rolling update. Resolves when it is ready. */
  createLike(pod: LocalPod): Promise<LocalPod>;
  /** Deletes a pod. Resolves when it is gone, with its containers' ends. */
  remove(pod: LocalPod, removal: PodRemoval): Promise<ContainerEnds>;
  /** Stops everything and leaves nothing behind; may be called more than once. */
  stop(): Promise<void>;
}

const PROJECT_FOLDER = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const READY_WITHIN_MS = 45_000;

/**
 * Starts a folder of manifests on this machine. Until `stop` this process is in the cluster's network namespace, so
 * there can be only one cluster per process at a time. On any error, everything that was created is removed before the
 * error is thrown.
 */
export async function startLocalCluster(options: LocalClusterOptions): Promise<LocalCluster> {
  checkMachine({ platform: process.platform, uid: process.getuid?.(), projectFolder: PROJECT_FOLDER });
  removeStaleRuns();
  const manifests = options.manifests.flatMap(readManifests);
  const undo = createUndoList();
  try {
    const run = createRunFolder();
    undo.add(() => removeRun(run.id));
    return await bringUp({ options, manifests, run, undo });
  } catch (caught) {
    await undo.run().catch((failure: unknown) => {
      options.log.error({ component: "local" }, `cleanup was incomplete: ${MeshError.from(failure).message}`);
    });
    throw caught;
  }
}

interface BringUp {
  readonly options: LocalClusterOptions;
  readonly manifests: readonly Manifest[];
  readonly run: RunFolder;
  readonly undo: UndoList;
}

async function bringUp({ options, manifests, run, undo }: BringUp): Promise<LocalCluster> {
  const progress = options.onProgress ?? (() => undefined);
  const ports = await openPorts(options.publish, undo);
  progress("creating the node's network");
  undo.add(createNodeNetwork(namespaceName(run.id, "node")));
  const system = await prepareSystem({
    manifests,
    folders: options.manifests,
    run,
    projectFolder: PROJECT_FOLDER,
    images: options.images ?? {},
    workloadCertificateTtl: options.workloadCertificateTtl,
    accessLog: options.accessLog ?? false,
    onFailure: options.onFailure ?? (() => undefined),
    log: options.log,
  });
  for (const warning of system.warnings) options.onWarning?.(warning);
  const force = options.forceSignal ?? new AbortController().signal;
  undo.add(() => system.host.stop(force));
  const targets = options.publish.map((request) => targetOf(request, system.services));

  progress("starting the control plane and the injector");
  await runAll(system, system.firstPods, { signal: options.signal });
  undo.add(() => system.admission.close());
  progress("starting the gateway and the pods");
  await runAll(system, await admitAll(system), options, progress);
  for (const [index, target] of targets.entries()) ports[index]?.forwardTo(target);
  return {
    get pods() {
      return system.host.pods;
    },
    authorityFolder: system.authorityFolder,
    logFolder: system.host.podsFolder,
    published: options.publish.flatMap((request, index) => describePublished(request, ports[index])),
    gatewayHosts: gatewayHosts(manifests),
    createLike: createReplacements(system, options),
    remove: (pod, removal) => system.host.remove(pod, removal),
    stop: () => undo.run(),
  };
}

async function openPorts(requests: readonly PublishRequest[], undo: UndoList): Promise<readonly PublishedPort[]> {
  const ports: PublishedPort[] = [];
  for (const request of requests) {
    const port = await publishPort(request);
    ports.push(port);
    undo.add(() => port.close());
  }
  return ports;
}

function describePublished({ service, hostPort: wanted }: PublishRequest, port: PublishedPort | undefined) {
  if (port === undefined) return [];
  const { port: hostPort } = port;
  return [{ service, hostPort, ...(wanted === 0 || wanted === hostPort ? {} : { takenPort: wanted }) }];
}

function targetOf(request: PublishRequest, services: readonly LocalService[]) {
  const service = services.find(({ name, namespace }) => `${name}.${namespace}` === request.service);
  const known = services
    .filter(({ clusterIp }) => hasAddress(clusterIp))
    .map(({ name, namespace }) => `${name}.${namespace}`);
  if (service === undefined || !hasAddress(service.clusterIp)) {
    throw new LocalError(
      "bad_manifest",
      `the Service ${request.service} to publish does not exist; known are ${known.join(", ")}`,
    );
  }
  if (service.ports.some(({ port }) => port === request.port)) return { ip: service.clusterIp, port: request.port };
  const ports = service.ports.map(({ port }) => port).join(", ");
  throw new LocalError("bad_manifest", `the Service ${request.service} has no port ${request.port}; it has ${ports}`);
}

/** Like the API server, one after another. */
async function admitAll(system: System): Promise<readonly PlannedPod[]> {
  const admitted: PlannedPod[] = [];
  for (const pod of system.otherPods) {
    admitted.push(await system.admission.admit(pod, system.namespaceLabels(pod.namespace)));
  }
  return admitted;
}

function createReplacements(system: System, options: LocalClusterOptions): LocalCluster["createLike"] {
  const templates = new Map([...system.firstPods, ...system.otherPods].map((pod) => [nameOf(pod), pod]));
  return async (pod) => {
    const template = templates.get(nameOf(pod));
    if (template === undefined) throw new LocalError("container_state", `${nameOf(pod)} has no template`);
    const next = renamePod(template, `${template.owner}-again-${templates.size}`);
    templates.set(nameOf(next), next);
    const isOfSystem = system.firstPods.includes(template);
    const admitted = isOfSystem ? next : await system.admission.admit(next, system.namespaceLabels(next.namespace));
    return await system.host.run(admitted, limitsOf(options));
  };
}

function nameOf({ name, namespace }: Pick<PlannedPod, "name" | "namespace">): string {
  return `Pod/${name}.${namespace}`;
}

type LimitOptions = Pick<LocalClusterOptions, "readyWithinMs" | "signal">;

function limitsOf({ readyWithinMs = READY_WITHIN_MS, signal }: LimitOptions): RunLimits {
  return { readyWithinMs, signal };
}

async function runAll(
  { host }: System,
  planned: readonly PlannedPod[],
  options: LimitOptions,
  progress: (step: string) => void = () => undefined,
): Promise<void> {
  const limits = limitsOf(options);
  let ready = 0;
  await Promise.all(
    planned.map(async (pod) => {
      await host.run(pod, limits);
      ready += 1;
      progress(`${ready} of ${planned.length} pods are ready`);
    }),
  );
  // A pod that was ready as soon as it started may have failed meanwhile.
  await Promise.all(host.pods.map((pod) => pod.readiness()));
}
