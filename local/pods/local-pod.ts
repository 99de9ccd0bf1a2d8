import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { LocalError } from "../local-error.ts";
import type { PodNetwork } from "../network/node-network.ts";
import { pollUntilReady, untilAborted } from "../wait.ts";
import { runHook } from "./container-hooks.ts";
import { type ContainerProcess, containerFailure, startContainerProcess } from "./container-process.ts";
import { probeContainer, type Readiness } from "./container-readiness.ts";
import { createContainerSpec, type PodSurroundings } from "./container-spec.ts";
import { type ExecOptions, type ExecResult, execInPod } from "./exec-in-pod.ts";
import { type ContainerManifest, isRestartable, lastingContainers, type PodManifest } from "./pod-manifest.ts";

export interface LocalPodOptions {
  readonly surroundings: PodSurroundings;
  readonly network: PodNetwork;
  /** The pod's own, for logs. */
  readonly folder: string;
  /** Called when a container that should run was started or has exited. */
  readonly onEvent: (event: ContainerEvent) => void;
}

export type ContainerEvent =
  | { readonly kind: "started"; readonly container: string }
  | {
      readonly kind: "ended";
      readonly container: string;
      /** The exit status or the signal's name. */
      readonly end: number | string;
      /** Whether it was stopped on purpose. */
      readonly isExpected: boolean;
    };

/** A container that runs, or has run. */
export interface LocalContainer {
  readonly name: string;
  /** `undefined` while it is not running. */
  readonly pid: number | undefined;
  readonly logFile: string;
}

/** By the container's name. */
export type ContainerEnds = ReadonlyMap<string, number | string>;

/** A pod of this machine: a network namespace with an address, and its containers as processes. */
export class LocalPod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: PodNetwork;
  readonly manifest: PodManifest;
  readonly #options: LocalPodOptions;
  readonly #running = new Map<string, ContainerProcess>();
  readonly #toldToEnd = new Set<ContainerProcess>();
  #isStopped = false;
  #notReadyReason = "its containers were not started";

  constructor(options: LocalPodOptions) {
    const { manifest } = options.surroundings;
    this.name = manifest.metadata.name;
    this.namespace = manifest.metadata.namespace;
    this.labels = manifest.metadata.labels ?? {};
    this.network = options.network;
    this.manifest = manifest;
    this.#options = options;
  }

  get ip(): string {
    return this.network.ip;
  }

  /** Injected, by the webhook or earlier. */
  get hasSidecar(): boolean {
    return this.manifest.metadata.annotations?.["sidecar.istio.io/status"] !== undefined;
  }

  /** The containers that should run, without init containers. */
  get containers(): readonly LocalContainer[] {
    return lastingContainers(this.manifest).map(({ name }) => this.#describeContainer(name));
  }

  /** Why the pod was not ready at the last check. */
  get notReadyReason(): string {
    return this.#notReadyReason;
  }

  /** All containers that were started, except finished init containers. */
  get startedContainers(): readonly LocalContainer[] {
    return [...this.#running.keys()].map((name) => this.#describeContainer(name));
  }

  /** Runs the init containers to completion, one after another, then starts the others. */
  async start(signal: AbortSignal): Promise<void> {
    const { initContainers, containers } = this.manifest.spec;
    for (const container of initContainers ?? []) {
      const process = this.startContainer(container.name);
      if (isRestartable(container)) {
        await pollUntilReady(() => this.#probe(container), signal);
        continue;
      }
      this.#notReadyReason = `init container ${container.name} has not finished`;
      const end = await untilAborted(process.ended, signal);
      if (end !== 0) throw containerFailure(this.#describe(container.name), end, process.logFile);
      this.#running.delete(container.name);
    }
    for (const container of containers) {
      this.startContainer(container.name);
      await untilAborted(this.#runHook(container, "postStart"), signal);
    }
  }

  startContainer(name: string): ContainerProcess {
    const container = this.#container(name);
    if (this.#isStopped) throw new LocalError("stopped", `${this.#describe(name)} cannot start in a stopped cluster`);
    if (this.#running.get(name)?.isRunning())
      throw new LocalError("container_state", `${this.#describe(name)} is already running`);
    const { surroundings, folder, onEvent } = this.#options;
    const stage = join(folder, "stage", name);
    mkdirSync(stage, { recursive: true });
    const process = startContainerProcess({
      ...createContainerSpec(container, surroundings, stage),
      logFile: this.logFile(name),
    });
    this.#running.set(name, process);
    if (lastingContainers(this.manifest).includes(container)) {
      onEvent({ kind: "started", container: name });
      void process.ended.then((end) => {
        const isExpected = this.#isStopped || this.#toldToEnd.delete(process);
        onEvent({ kind: "ended", container: name, end, isExpected });
      });
    }
    return process;
  }

  /** Sends the signal and waits for the exit. */
  async stopContainer(name: string, signal: NodeJS.Signals): Promise<void> {
    const process = this.#running.get(name);
    if (process?.isRunning() !== true)
      throw new LocalError("container_state", `${this.#describe(name)} is not running`);
    this.#toldToEnd.add(process);
    process.kill(signal);
    await process.ended;
  }

  /**
   * Ends the pod like the kubelet: the preStop hooks, then SIGTERM. Restartable init containers follow when the others
   * have ended, in reverse order. At the end of the grace period everything gets SIGKILL.
   * @returns the exit status or the signal of each container
   */
  async terminate(graceMs: number): Promise<ContainerEnds> {
    const { initContainers, containers } = this.manifest.spec;
    const ending = lastingContainers(this.manifest).map(({ name }) => this.#running.get(name));
    for (const process of ending) if (process !== undefined) this.#toldToEnd.add(process);
    const timer = setTimeout(() => {
      for (const process of ending) process?.kill("SIGKILL");
    }, graceMs);
    const ends = new Map<string, number | string>();
    const hooks = new Map(
      lastingContainers(this.manifest).map((container) => [container, this.#runHook(container, "preStop")]),
    );
    const end = async (container: ContainerManifest): Promise<void> => {
      await hooks.get(container);
      const process = this.#running.get(container.name);
      process?.kill("SIGTERM");
      if (process !== undefined) ends.set(container.name, await process.ended);
    };
    await Promise.all(containers.map(end));
    for (const container of (initContainers ?? []).filter(isRestartable).reverse()) await end(container);
    clearTimeout(timer);
    this.#options.surroundings.volumes.stop();
    return ends;
  }

  logFile(container: string): string {
    return join(this.#options.folder, `${container}.log`);
  }

  pidOf(container: string): number | undefined {
    const process = this.#running.get(container);
    return process?.isRunning() === true ? process.pid : undefined;
  }

  exec(command: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    const { hostsFile, resolverFile, namespace } = this.#options.surroundings;
    return execInPod({ namespace, hostsFile, resolverFile }, command, options);
  }

  /** Whether every container is ready; throws a LocalError if one has exited. */
  async isReady(): Promise<boolean> {
    return (await this.readiness()).kind === "ready";
  }

  /** The same, with the reason if it is not ready. */
  async readiness(): Promise<Readiness> {
    for (const container of lastingContainers(this.manifest)) {
      const readiness = await this.#probe(container);
      if (readiness.kind !== "ready") return readiness;
    }
    return { kind: "ready" };
  }

  /** Stops all containers, and starts none from now on: SIGTERM, a wait, then SIGKILL. */
  async stop(graceMs: number, force: AbortSignal): Promise<void> {
    this.#isStopped = true;
    this.#options.surroundings.volumes.stop();
    const processes = [...this.#running.values()].filter((process) => process.isRunning());
    for (const process of processes) process.kill("SIGTERM");
    const kill = (): void => {
      for (const process of processes) process.kill("SIGKILL");
    };
    if (force.aborted) kill();
    force.addEventListener("abort", kill, { once: true });
    const timer = setTimeout(kill, graceMs);
    await Promise.all(processes.map((process) => process.ended));
    clearTimeout(timer);
    force.removeEventListener("abort", kill);
  }

  async #probe(container: ContainerManifest): Promise<Readiness> {
    const { name } = container;
    const process = this.#running.get(name);
    if (process === undefined) return { kind: "waiting", reason: `container ${name}: not started` };
    if (!process.isRunning()) throw containerFailure(this.#describe(name), await process.ended, process.logFile);
    const readiness = await probeContainer(container, { ip: this.ip, pid: process.pid });
    if (readiness.kind === "ready") return readiness;
    this.#notReadyReason = `container ${name}: ${readiness.reason}`;
    return { kind: "waiting", reason: this.#notReadyReason };
  }

  #runHook(container: ContainerManifest, hook: "postStart" | "preStop"): Promise<void> {
    const { surroundings, folder } = this.#options;
    return runHook(container, { hook, surroundings, folder, logFile: this.logFile(container.name) });
  }

  #container(name: string): ContainerManifest {
    const { initContainers, containers } = this.manifest.spec;
    const found = [...(initContainers ?? []), ...containers].find((container) => container.name === name);
    if (found === undefined) throw new LocalError("container_state", `${this.#describe(name)} does not exist`);
    return found;
  }

  #describeContainer(name: string): LocalContainer {
    return { name, pid: this.pidOf(name), logFile: this.logFile(name) };
  }

  #describe(container: string): string {
    return `container ${container} of Pod/${this.name}.${this.namespace}`;
  }
}
