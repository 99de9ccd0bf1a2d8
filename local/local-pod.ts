import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { formatContainerCommand, PROJECT_MOUNT } from "./container-command.ts";
import { containerEnvironment, expandVariables } from "./container-environment.ts";
import { type ContainerProcess, containerFailure, startContainerProcess } from "./container-process.ts";
import { isContainerReady } from "./container-readiness.ts";
import { type ExecOptions, type ExecResult, execInPod } from "./exec-in-pod.ts";
import { type ImageTable, mountedFile, resolveImage } from "./images.ts";
import { LocalError } from "./local-error.ts";
import type { PodNetwork } from "./node-network.ts";
import type { ContainerManifest, PodManifest } from "./pod-manifest.ts";
import { containerMounts, type PodVolumes } from "./pod-volumes.ts";

export interface LocalPodOptions {
  readonly manifest: PodManifest;
  readonly network: PodNetwork;
  readonly volumes: PodVolumes;
  readonly folder: string;
  readonly hostsFile: string;
  readonly projectFolder: string;
  readonly images: ImageTable;
  /** This process's own Node. */
  readonly node: string;
}

/** Users of applications that do not say who they are. */
const NOBODY = 65_534;

/** A pod of this machine: a network namespace with an address, and its containers as processes. */
export class LocalPod {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly network: PodNetwork;
  readonly manifest: PodManifest;
  readonly #options: LocalPodOptions;
  readonly #running = new Map<string, ContainerProcess>();

  constructor(options: LocalPodOptions) {
    const { metadata } = options.manifest;
    this.name = metadata.name;
    this.namespace = metadata.namespace;
    this.labels = metadata.labels ?? {};
    this.network = options.network;
    this.manifest = options.manifest;
    this.#options = options;
    mkdirSync(options.folder, { recursive: true });
  }

  get ip(): string {
    return this.network.ip;
  }

  get hasSidecar(): boolean {
    return this.#longRunning().some(({ name }) => name === "istio-proxy");
  }

  /** Runs the init containers to their end, one after the other, then starts the others. */
  async start(): Promise<void> {
    for (const container of this.manifest.spec.initContainers ?? []) {
      const process = this.startContainer(container.name);
      if (container.restartPolicy === "Always") continue;
      const end = await process.ended;
      if (end !== 0) throw containerFailure(this.#describe(container.name), end, process.logFile);
      this.#running.delete(container.name);
    }
    for (const { name } of this.manifest.spec.containers) this.startContainer(name);
  }

  startContainer(name: string): ContainerProcess {
    const container = this.#container(name);
    const process = startContainerProcess({
      command: this.#command(container),
      environment: containerEnvironment(container, this.manifest, this.ip),
      logFile: this.logFile(name),
    });
    this.#running.set(name, process);
    return process;
  }

  /** Sends the signal and waits for the end. */
  async stopContainer(name: string, signal: NodeJS.Signals): Promise<void> {
    const process = this.#running.get(name);
    if (process === undefined) throw new LocalError("bad_manifest", `${this.#describe(name)} does not run`);
    process.kill(signal);
    await process.ended;
  }

  logFile(container: string): string {
    return join(this.#options.folder, `${container}.log`);
  }

  pidOf(container: string): number | undefined {
    return this.#running.get(container)?.pid;
  }

  exec(command: readonly string[], options?: ExecOptions): Promise<ExecResult> {
    const { network, hostsFile } = this.#options;
    return execInPod({ namespace: network.namespace, hostsFile }, command, options);
  }

  /** Whether every container is ready; throws if one has ended. */
  async isReady(): Promise<boolean> {
    for (const container of this.#longRunning()) {
      const process = this.#running.get(container.name);
      if (process === undefined) return false;
      if (!process.isRunning()) {
        throw containerFailure(this.#describe(container.name), await process.ended, process.logFile);
      }
      if (!(await isContainerReady(container, { ip: this.ip, pid: process.pid }))) return false;
    }
    return true;
  }

  /** Ends all containers: asks, waits, and then does not ask. */
  async stop(graceMs: number): Promise<void> {
    this.#options.volumes.stop();
    const processes = [...this.#running.values()].filter((process) => process.isRunning());
    for (const process of processes) process.kill("SIGTERM");
    const timer = setTimeout(() => {
      for (const process of processes) process.kill("SIGKILL");
    }, graceMs);
    await Promise.all(processes.map((process) => process.ended));
    clearTimeout(timer);
  }

  #longRunning(): readonly ContainerManifest[] {
    const { initContainers, containers } = this.manifest.spec;
    return [...(initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"), ...containers];
  }

  #container(name: string): ContainerManifest {
    const { initContainers, containers } = this.manifest.spec;
    const found = [...(initContainers ?? []), ...containers].find((container) => container.name === name);
    if (found === undefined) throw new LocalError("bad_manifest", `${this.#describe(name)} does not exist`);
    return found;
  }

  #command(container: ContainerManifest): readonly string[] {
    const { network, volumes, projectFolder, images, node, hostsFile, manifest } = this.#options;
    const context = { ...manifest.spec.securityContext, ...container.securityContext };
    const uid = context.runAsUser ?? NOBODY;
    const environment = containerEnvironment(container, manifest, this.ip);
    const words = [...(container.command ?? []), ...(container.args ?? [])].map((word) =>
      expandVariables(word, environment),
    );
    const file = resolveImage(container.image, images);
    const program = [
      mountedFile(node, projectFolder, PROJECT_MOUNT),
      mountedFile(file, projectFolder, PROJECT_MOUNT),
      ...words,
    ];
    return formatContainerCommand({
      namespace: network.namespace,
      uid,
      gid: context.runAsGroup ?? uid,
      capabilities: container.securityContext?.capabilities?.add ?? [],
      mounts: [
        { source: projectFolder, target: PROJECT_MOUNT, isFile: false, isReadOnly: true },
        { source: hostsFile, target: "/etc/hosts", isFile: true, isReadOnly: true },
        ...containerMounts(container, manifest, volumes),
      ],
      program,
    });
  }

  #describe(container: string): string {
    return `container ${container} of Pod/${this.name}.${this.namespace}`;
  }
}
