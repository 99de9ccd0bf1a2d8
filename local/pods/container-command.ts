import { posix } from "node:path";

/** Builds the command that starts a container as a process in its pod's namespaces. Pure, so that it can be tested. */
export interface ContainerCommandInput {
  /** The network namespace's name. */
  readonly namespace: string;
  /** An empty folder for this container, in which its private folders are assembled. */
  readonly stage: string;
  readonly mounts: readonly Mount[];
  readonly uid: number;
  readonly gid: number;
  /** The supplementary groups. */
  readonly groups: readonly number[];
  /** Linux capabilities to keep, such as `NET_ADMIN`; usually none. */
  readonly capabilities: readonly string[];
  /** The process whose exit ends the container. */
  readonly ownerPid: number;
  readonly program: readonly string[];
}

/** A folder or file of this machine, and its path in the container. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly isFile: boolean;
  readonly isReadOnly: boolean;
  /** Skipped if the target does not exist. */
  readonly isOptional?: boolean;
}

/** The project's folder in containers, independent of the permissions of its real parents. */
export const PROJECT_MOUNT = "/run/entente/project";

/** Folders that each container has for itself, in memory. Elsewhere the mount point must exist on this machine. */
const PRIVATE_FOLDERS = ["/run", "/tmp"] as const;

/** The path as the kernel resolves it: /var/run is a link to /run. */
export function normalizeTarget(path: string): string {
  return posix
    .normalize(path)
    .replace(/\/+$/, "")
    .replace(/^\/var\/run(?=\/|$)/, "/run");
}

/** Whether the mount point can be created in a container without existing on this machine. */
export function isPrivatePath(path: string): boolean {
  const target = normalizeTarget(path);
  return PRIVATE_FOLDERS.some((folder) => target === folder || target.startsWith(`${folder}/`));
}

/**
 * The command line. `ip netns exec` enters the pod's network and a new mount namespace; the shell mounts the
 * container's files; setpriv drops all capabilities except the requested ones and ties the process to ours: if we are
 * killed, the kernel kills it. Each step replaces the previous one by exec, so that the process keeps its id.
 */
export function formatContainerCommand(input: ContainerCommandInput): readonly string[] {
  const { namespace, uid, gid, groups } = input;
  const kept = input.capabilities.map((capability) => `+${capability.toLowerCase()}`);
  const capabilities = ["-all", ...kept].join(",");
  const setpriv = [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    groups.length === 0 ? "--clear-groups" : `--groups=${groups.join(",")}`,
    `--inh-caps=${capabilities}`,
    `--bounding-set=${capabilities}`,
    "--no-new-privs",
    ...endWith(input.ownerPid),
  ];
  return ["ip", "netns", "exec", namespace, "sh", "-c", formatScript(input), "sh", ...setpriv, ...input.program];
}

/**
 * The end of a setpriv command: from here on the kernel kills the process with its parent. If the parent has already
 * exited (then it has another one), the process does not start.
 */
export function endWith(ownerPid: number): readonly string[] {
  return ["--pdeathsig=KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', String(ownerPid)];
}

/**
 * The private folders are assembled elsewhere and moved over /run and /tmp at the end, because some of the sources are
 * there.
 */
function formatScript({ stage, mounts }: ContainerCommandInput): string {
  // A nested mount comes after its parent.
  const ordered = [...mounts].sort((one, other) => depthOf(one.target) - depthOf(other.target));
  return [
    "set -e",
    `stage=${quote(stage)}`,
    'mount -t tmpfs -o mode=0755,size=64m,nosuid,nodev tmpfs "$stage"',
    'mkdir "$stage/run" "$stage/tmp"',
    'chmod 1777 "$stage/tmp"',
    ...ordered.flatMap(formatMount),
    // An image is read-only here, if the kernel allows it: what a container writes is lost with it.
    "mount -o remount,bind,ro / 2> /dev/null || :",
    ...PRIVATE_FOLDERS.map((folder) => `mount --rbind "$stage${folder}" ${folder}`).reverse(),
    'exec "$@"',
  ].join("\n");
}

function depthOf(path: string): number {
  return normalizeTarget(path).split("/").length;
}

function formatMount(mount: Mount): readonly string[] {
  const source = quote(mount.source);
  const path = normalizeTarget(mount.target);
  const isPrivate = isPrivatePath(path);
  const target = isPrivate ? `"$stage"${quote(path)}` : quote(path);
  const lines = [
    `mount --bind ${source} ${target}`,
    ...(mount.isReadOnly ? [`mount -o remount,bind,ro ${target}`] : []),
  ];
  if (mount.isOptional === true) return [`if [ -e ${target} ]; then`, ...lines, "fi"];
  return isPrivate ? [...formatMountPoint(target, mount.isFile), ...lines] : lines;
}

function formatMountPoint(target: string, isFile: boolean): readonly string[] {
  return isFile ? [`mkdir -p "$(dirname ${target})"`, `: >> ${target}`] : [`mkdir -p ${target}`];
}

/** A word of the shell, with any content. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
