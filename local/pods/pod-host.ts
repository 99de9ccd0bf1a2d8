import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { LocalError } from "../local-error.ts";
import type { AddressPlan } from "../network/addresses.ts";
import { createPodNetwork, linkName, removeNamespace } from "../network/node-network.ts";
import { serviceVariables } from "../network/service-variables.ts";
import type { LocalService } from "../network/services.ts";
import { namespaceName } from "../run-folder.ts";
import { type ClusterState, createClusterState, type HostedPod } from "../system/cluster-state.ts";
import { createClusterStore } from "../system/cluster-store.ts";
import { pollUntilReady, untilAborted } from "../wait.ts";
import { readLogTail } from "./container-process.ts";
import type { ImageTable } from "./images.ts";
import { type ContainerEnds, type ContainerEvent, LocalPod } from "./local-pod.ts";
import type { PlannedPod } from "./plan-pods.ts";
import { type PodManifest, validatePodManifest } from "./pod-manifest.ts";
import { NAMESPACE_FILE } from "./running-pods.ts";
import { createPodVolumes, type FindFiles } from "./volumes/pod-volumes.ts";
import type { TokenSigner } from "./volumes/service-account-tokens.ts";

export interface PodHostOptions {
  readonly runId: string;
  readonly folder: string;
  readonly plan: AddressPlan;
  readonly services: readonly LocalService[];
  readonly tokens: TokenSigner;
  readonly projectFolder: string;
  readonly images: ImageTable;
  readonly node: string;
  readonly findFiles: FindFiles;
  readonly log: Logger;
  /** Called with a sentence when a container exits that was not stopped. */
  readonly onFailure: (message: string) => void;
}

export interface PodRemoval {
  /** Kubernetes' terminationGracePeriodSeconds, in milliseconds. */
  readonly graceMs: number;
  /** How long other pods still send to it. */
  readonly newsDelayMs: number;
}

export interface RunLimits {
  readonly readyWithinMs: number;
  readonly signal: AbortSignal;
}

/** From SIGTERM to SIGKILL for a container. */
const GRACE_MS = 3000;

/** No cluster DNS exists, and none outside is used: no server listens there, so that a lookup fails at once. */
const RESOLVER = "nameserver 127.0.0.1\noptions attempts:1 timeout:1\n";

/**
 * The node: it creates pods, watches until they are ready, and keeps names, Service rules and stored objects up to
 * date.
 */
export class PodHost {
  readonly #options: PodHostOptions;
  readonly #state: ClusterState;
  readonly #resolverFile: string;
  readonly #hosted: HostedPod[] = [];
  readonly #starting = new Set<Promise<unknown>>();
  readonly #stopped = new AbortController();
  #made = 0;

  constructor(options: PodHostOptions) {
    this.#options = options;
    const store = createClusterStore(join(options.folder, "cluster"));
    store.put(
      "services",
      options.services.map(({ object }) => object),
    );
    this.#state = createClusterState(store, options.services);
    this.#resolverFile = join(options.folder, "resolv.conf");
    writeFileSync(this.#resolverFile, RESOLVER, { mode: 0o644 });
  }

  /** Contains a folder per pod with its containers' logs. */
  get podsFolder(): string {
    return join(this.#options.folder, "pods");
  }

  get pods(): readonly LocalPod[] {
    return this.#hosted.toSorted((one, other) => one.index - other.index).map(({ pod }) => pod);
  }

  /** Creates the pod, starts its containers and waits until it is ready; rejects if one exits or the time is over. */
  async run(planned: PlannedPod, { readyWithinMs, signal }: RunLimits): Promise<LocalPod> {
    const deadline = AbortSignal.timeout(readyWithinMs);
    const work = this.#run(planned, AbortSignal.any([signal, deadline, this.#stopped.signal]));
    this.#starting.add(work);
    try {
      return await work;
    } catch (caught) {
      if (signal.aborted || !deadline.aborted) throw caught;
      throw this.#overdue(planned, readyWithinMs);
    } finally {
      this.#starting.delete(work);
    }
  }

  /**
   * Deletes a pod as a cluster does: it ends while others still know it as an endpoint, for `newsDelayMs`. Resolves when
   * its containers have ended and its network is gone.
   */
  async remove(pod: LocalPod, { graceMs, newsDelayMs }: PodRemoval): Promise<ContainerEnds> {
    const hosted = this.#hosted.find((candidate) => candidate.pod === pod);
    if (hosted === undefined) throw new LocalError("container_state", `${nameOf(pod)} is not hosted here`);
    const withdrawn = sleep(newsDelayMs).then(() => this.#change(hosted, "terminating"));
    const ends = await pod.terminate(graceMs);
    await withdrawn;
    this.#hosted.splice(this.#hosted.indexOf(hosted), 1);
    this.#publish(hosted);
    removeNamespace(pod.network.namespace);
    return ends;
  }

  /** Stops every container, also those of pods that are still being created; `force` skips the waiting time. */
  async stop(force: AbortSignal): Promise<void> {
    this.#stopped.abort(new LocalError("stopped", "the cluster was stopped"));
    await Promise.all(this.#hosted.map(({ pod }) => pod.stop(GRACE_MS, force)));
    await Promise.allSettled([...this.#starting]);
  }

  async #run(planned: PlannedPod, signal: AbortSignal): Promise<LocalPod> {
    signal.throwIfAborted();
    const hosted = await this.#make(planned);
    this.#hosted.push(hosted);
    // Since the last await the host may have been stopped: a pod that it did not see must not start.
    if (signal.aborted) await hosted.pod.stop(0, signal);
    signal.throwIfAborted();
    this.#state.publish(this.#hosted);
    const { pod } = hosted;
    await pod.start(signal);
    await untilAborted(this.#follow(hosted, signal), signal);
    return pod;
  }

  async #make(planned: PlannedPod): Promise<HostedPod> {
    const { runId, plan, services, tokens, projectFolder, images, node, findFiles, log } = this.#options;
    const manifest = validatePodManifest(planned.object, nameOf(planned));
    refuseHostNetwork(manifest, planned);
    const index = this.#made++;
    const podFolder = join(this.podsFolder, `${planned.namespace}_${planned.name}`);
    mkdirSync(podFolder, { recursive: true });
    const network = createPodNetwork(namespaceName(runId, `pod${index}`), linkName(index), plan.nextPodIp());
    writeFileSync(join(podFolder, NAMESPACE_FILE), network.namespace);
    const volumes = await createPodVolumes({ pod: manifest, folder: podFolder, tokens, findFiles, log });
    const hostsFile = join(podFolder, "hosts");
    const pod = new LocalPod({
      surroundings: {
        ...network,
        manifest,
        volumes,
        hostsFile,
        resolverFile: this.#resolverFile,
        serviceVariables: serviceVariables(services, {
          namespace: planned.namespace,
          hasServiceLinks: manifest.spec.enableServiceLinks ?? true,
        }),
        projectFolder,
        images,
        node,
        ownerPid: process.pid,
      },
      network,
      folder: podFolder,
      onEvent: (event) => this.#handle(pod, event),
    });
    return { pod, index, object: planned.object, hostsFile, state: "starting" };
  }

  /** Waits until the pod is ready, and reports that. */
  async #follow(hosted: HostedPod, signal: AbortSignal): Promise<void> {
    await pollUntilReady(() => hosted.pod.readiness(), signal);
    this.#change(hosted, "ready");
  }

  /** A pod with an exited container is not ready; it can become ready when the container is started again. */
  #handle(pod: LocalPod, event: ContainerEvent): void {
    const { signal } = this.#stopped;
    const hosted = this.#hosted.find((candidate) => candidate.pod === pod);
    if (hosted === undefined || signal.aborted) return;
    if (event.kind === "started") {
      if (hosted.state !== "starting") this.#follow(hosted, signal).catch(() => undefined);
      return;
    }
    if (hosted.state === "starting" || hosted.state === "terminating") return;
    this.#change(hosted, "unready");
    if (event.isExpected) return;
    const { onFailure } = this.#options;
    onFailure(
      `container ${event.container} of ${nameOf(pod)} exited with ${event.end}; its log is ${pod.logFile(event.container)}`,
    );
  }

  #change(hosted: HostedPod, state: HostedPod["state"]): void {
    if (this.#stopped.signal.aborted || hosted.state === state) return;
    hosted.state = state;
    this.#publish(hosted);
  }

  /** @param hosted the pod that has changed. */
  #publish({ pod, state }: HostedPod): void {
    try {
      this.#state.publish(this.#hosted);
    } catch (caught) {
      const { name, namespace } = pod;
      const { message } = MeshError.from(caught);
      this.#options.log.error(
        { component: "local", pod: name, namespace, state },
        `publishing the state failed: ${message}`,
      );
    }
  }

  #overdue(planned: PlannedPod, readyWithinMs: number): LocalError {
    const pod = this.pods.find(({ name, namespace }) => name === planned.name && namespace === planned.namespace);
    const logTails = (pod?.startedContainers ?? []).map(
      ({ name, logFile }) => `\n  end of the log of container ${name}:\n${readLogTail(logFile)}`,
    );
    const reason = pod?.notReadyReason ?? "its containers were not started";
    return new LocalError(
      "not_ready",
      `${nameOf(planned)} was not ready after ${readyWithinMs / 1000} s: ${reason}${logTails.join("")}`,
    );
  }
}

function refuseHostNetwork(manifest: PodManifest, planned: PlannedPod): void {
  if (manifest.spec.hostNetwork !== true) return;
  throw new LocalError("bad_manifest", `${nameOf(planned)}: hostNetwork is not supported on one machine`);
}

function nameOf(pod: { readonly name: string; readonly namespace: string }): string {
  return `Pod/${pod.name}.${pod.namespace}`;
}
