import { chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "../mesh/runtime.ts";
import type { AddressPlan } from "./addresses.ts";
import { type ClusterStore, createClusterStore } from "./cluster-store.ts";
import { formatHostsFile } from "./hosts-file.ts";
import type { ImageTable } from "./images.ts";
import { LocalError } from "./local-error.ts";
import { LocalPod } from "./local-pod.ts";
import { createPodNetwork } from "./node-network.ts";
import type { PlannedPod } from "./plan-pods.ts";
import { validatePodManifest } from "./pod-manifest.ts";
import { createPodVolumes } from "./pod-volumes.ts";
import { runProgram } from "./run-program.ts";
import type { TokenSigner } from "./service-account-tokens.ts";
import { formatServiceRules } from "./service-rules.ts";
import { type LocalService, namedServices, type ServicePod, serviceRules } from "./services.ts";

export interface PodHostOptions {
  readonly runId: string;
  readonly folder: string;
  readonly plan: AddressPlan;
  readonly services: readonly LocalService[];
  readonly tokens: TokenSigner;
  readonly projectFolder: string;
  readonly images: ImageTable;
  readonly node: string;
  readonly findFiles: (
    namespace: string,
    kind: "ConfigMap" | "Secret",
    name: string,
  ) => Readonly<Record<string, string>> | undefined;
  readonly log: Logger;
}

interface HostedPod {
  readonly pod: LocalPod;
  readonly object: Readonly<Record<string, unknown>>;
  readonly hostsFile: string;
  isReady: boolean;
}

const POLL_MS = 50;
const GRACE_MS = 3000;

/** The node: it makes pods, watches until they are ready, and keeps names, Service rules and stored objects in step. */
export class PodHost {
  readonly store: ClusterStore;
  readonly #options: PodHostOptions;
  readonly #hosted: HostedPod[] = [];
  #made = 0;

  constructor(options: PodHostOptions) {
    this.#options = options;
    this.store = createClusterStore(join(options.folder, "cluster"));
    this.store.put(
      "services",
      options.services.map(({ object }) => object),
    );
  }

  get pods(): readonly LocalPod[] {
    return this.#hosted.map(({ pod }) => pod);
  }

  /** Makes the pod and starts its containers; it is stored as not ready. */
  async start(planned: PlannedPod): Promise<LocalPod> {
    const { runId, plan, folder, tokens, projectFolder, images, node, findFiles } = this.#options;
    const manifest = validatePodManifest(planned.object, `Pod/${planned.name}.${planned.namespace}`);
    if (manifest.spec.hostNetwork === true) {
      throw new LocalError(
        "bad_manifest",
        `Pod/${planned.name}.${planned.namespace}: the host's network is not given to pods here`,
      );
    }
    const index = this.#made++;
    const podFolder = join(folder, "pods", `${planned.namespace}_${planned.name}`);
    mkdirSync(podFolder, { recursive: true });
    const network = createPodNetwork(runId, index, plan.nextPodIp());
    const volumes = await createPodVolumes({
      pod: manifest,
      folder: podFolder,
      tokens,
      findFiles: (kind, name) => findFiles(planned.namespace, kind, name),
    });
    const hostsFile = join(podFolder, "hosts");
    const pod = new LocalPod({ manifest, network, volumes, folder: podFolder, hostsFile, projectFolder, images, node });
    const hosted: HostedPod = { pod, object: planned.object, hostsFile, isReady: false };
    this.#hosted.push(hosted);
    this.#refresh();
    await pod.start();
    return pod;
  }

  /** Resolves when the pod is ready; rejects if a container ends or the time is over. */
  async whenReady(pod: LocalPod, deadlineMs: number, signal: AbortSignal): Promise<void> {
    const hosted = this.#hosted.find((candidate) => candidate.pod === pod);
    const endMs = Date.now() + deadlineMs;
    while (!(await pod.isReady())) {
      signal.throwIfAborted();
      if (Date.now() > endMs) {
        const what = `Pod/${pod.name}.${pod.namespace}`;
        throw new LocalError(
          "not_ready",
          `${what} was not ready after ${deadlineMs / 1000} s; its logs are beside ${pod.logFile("*")}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    if (hosted === undefined) return;
    hosted.isReady = true;
    this.#refresh();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#hosted.map(({ pod }) => pod.stop(GRACE_MS)));
  }

  /** Names, rules and stored pods follow what is there now. */
  #refresh(): void {
    const pods = this.#hosted.map(describeForServices);
    const names = namedServices(this.#options.services, pods);
    for (const { pod, hostsFile } of this.#hosted) {
      // Written in place: containers have this very file mounted.
      writeFileSync(hostsFile, formatHostsFile({ name: pod.name, namespace: pod.namespace, ip: pod.ip }, names), {
        mode: 0o644,
      });
    }
    runProgram("iptables-restore", [], { input: formatServiceRules(serviceRules(this.#options.services, pods)) });
    this.store.put("pods", this.#hosted.map(storedPod));
  }
}

function describeForServices({ pod, isReady }: HostedPod): ServicePod {
  const ports = pod.manifest.spec.containers.flatMap((container) => container.ports ?? []);
  const named = ports.flatMap(({ name, containerPort }): [string, number][] => (name ? [[name, containerPort]] : []));
  return { namespace: pod.namespace, labels: pod.labels, ip: pod.ip, isReady, namedPorts: new Map(named) };
}

/** A pod as the API server would have it, with its status. */
function storedPod({ pod, object, isReady }: HostedPod): unknown {
  const conditions = [{ type: "Ready", status: isReady ? "True" : "False" }];
  return { ...object, status: { phase: "Running", podIP: pod.ip, podIPs: [{ ip: pod.ip }], conditions } };
}

/** Gives a folder to the user that the system's containers run as. */
export function giveTo(uid: number, ...paths: readonly string[]): void {
  for (const path of paths) chownSync(path, uid, uid);
}
