import { dirname } from "node:path";
import { formatContainerCommand, type Mount, PROJECT_MOUNT } from "./container-command.ts";
import {
  containerEnvironment,
  type EnvironmentSource,
  expandVariables,
  PROGRAM_PATH,
} from "./container-environment.ts";
import { containerUser } from "./container-user.ts";
import { type ImageTable, mountedFile, resolveImage } from "./images.ts";
import type { ContainerManifest } from "./pod-manifest.ts";
import { containerMounts, type PodVolumes } from "./volumes/pod-volumes.ts";

/** The common settings of a pod's containers. */
export interface PodSurroundings extends EnvironmentSource {
  /** The pod's network namespace. */
  readonly namespace: string;
  readonly volumes: PodVolumes;
  readonly hostsFile: string;
  readonly resolverFile: string;
  readonly projectFolder: string;
  readonly images: ImageTable;
  /** The program that runs images: this process's own Node. */
  readonly node: string;
  /** The process whose exit ends all containers. */
  readonly ownerPid: number;
}

/** A container as a process: its command line and its environment. */
export interface ContainerSpec {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** The image's own program, by its name in the real image. */
const OWN_COMMAND = "entente";

/** Determines how a container runs on this machine. `stage` is an empty folder for it. */
export function createContainerSpec(container: ContainerManifest, pod: PodSurroundings, stage: string): ContainerSpec {
  const { manifest, projectFolder } = pod;
  const project = { source: projectFolder, target: PROJECT_MOUNT };
  const node = mountedFile(pod.node, project, "alone");
  const image = mountedFile(resolveImage(container.image, pod.images), project, "with its folder");
  const given = containerEnvironment(container, pod);
  const environment = { ...given, PATH: (given["PATH"] ?? PROGRAM_PATH).concat(":", dirname(node.path)) };
  // As in a cluster: `command` replaces the image's own program, `args` are appended to either.
  const own = [node.path, image.path];
  const [first, ...rest] = container.command ?? [];
  const program = first === undefined ? own : [...(first === OWN_COMMAND ? own : [first]), ...rest];
  const words = [...program, ...(container.args ?? [])].map((word) => expandVariables(word, environment));
  const mounts: readonly Mount[] = [
    { ...project, isFile: false, isReadOnly: true },
    ...[node, image].flatMap(({ mount }) => (mount === undefined ? [] : [{ ...mount, isReadOnly: true }])),
    { source: pod.hostsFile, target: "/etc/hosts", isFile: true, isReadOnly: true },
    { source: pod.resolverFile, target: "/etc/resolv.conf", isFile: true, isReadOnly: true, isOptional: true },
    ...containerMounts(container, manifest, pod.volumes),
  ];
  const command = formatContainerCommand({
    namespace: pod.namespace,
    stage,
    ...containerUser(container, manifest),
    capabilities: container.securityContext?.capabilities?.add ?? [],
    mounts,
    ownerPid: pod.ownerPid,
    program: words,
  });
  return { command, environment };
}
