import { posix } from "node:path";

/** Builds the command that starts a container as a process in its pod's namespaces. Pure, so that it can be read and tested. */
export interface ContainerCommandInput {
  /** The network namespace's name. */
  readonly namespace: string;
  /** An empty folder of this container's own, on which its private folders are put together. */
  readonly stage: string;
  readonly mounts: readonly Mount[];
  readonly uid: number;
  readonly gid: number;
  /** Linux capabilities that are left, such as `NET_ADMIN`; none for most. */
  readonly capabilities: readonly string[];
  /** The process that the container must not outlive. */
  readonly ownerPid: number;
  readonly program: readonly string[];
}

/** A folder or file of this machine, and where the container sees it. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly isFile: boolean;
  readonly isReadOnly: boolean;
  /** Left out where the target does not exist. */
  readonly isOptional?: boolean;
}

/** Where containers see the project's folder, whoever may enter the folders above the real one. */
export const PROJECT_MOUNT = "/run/entente/project";

/** Folders that each container has for itself, in memory. Anywhere else the mount point must exist on this machine. */
const PRIVATE_FOLDERS = ["/run", "/tmp"] as const;

/** The path that the kernel sees: /var/run is another name of /run. */
export function normalizeTarget(path: string): string {
  return posix
    .normalize(path)
    .replace(/\/+$/, "")
    .replace(/^\/var\/run(?=\/|$)/, "/run");
}

/** Whether a container can have such a mount point without its being on this machine. */
export function isPrivatePath(path: string): boolean {
  const target = normalizeTarget(path);
  return PRIVATE_FOLDERS.some((folder) => target === folder || target.startsWith(`${folder}/`));
}

/**
 * The command line. `ip netns exec` gives the process the pod's network and a mount namespace of its own; the shell
 * mounts what the container sees; setpriv takes away all rights but those asked for and ties the process's life to ours:
 * if we are killed, the kernel kills it. Each step replaces the one before, so that the process keeps one id.
 */
export function formatContainerCommand(input: ContainerCommandInput): readonly string[] {
  const { namespace, uid, gid } = input;
  const kept = input.capabilities.map((capability) => `+${capability.toLowerCase()}`);
  const capabilities = ["-all", ...kept].join(",");
  const setpriv = [
    "setpriv",
    `--reuid=${uid}`,
    `--regid=${gid}`,
    "--clear-groups",
    `--inh-caps=${capabilities}`,
    `--bounding-set=${capabilities}`,
    "--no-new-privs",
    ...endWith(input.ownerPid),
  ];
  return ["ip", "netns", "exec", namespace, "sh", "-c", formatScript(input), "sh", ...setpriv, ...input.program];
}

/**
 * The end of a setpriv command: from here on the kernel ends the process with its parent, and if the parent has ended
 * before (then it has another one), the process does not begin.
 */
export function endWith(ownerPid: number): readonly string[] {
  return ["--pdeathsig=KILL", "--", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', String(ownerPid)];
}

/**
 * The private folders are put together elsewhere and moved over /run and /tmp last: until then the sources, some of
 * which lie there, can be seen.
 */
function formatScript({ stage, mounts }: ContainerCommandInput): string {
  // A mount upon another comes after it.
  const ordered = [...mounts].sort((one, other) => depthOf(one.target) - depthOf(other.target));
  return [
    "set -e",
    `stage=${quote(stage)}`,
    'mount -t tmpfs -o mode=0755,size=64m,nosuid,nodev tmpfs "$stage"',
    'mkdir "$stage/run" "$stage/tmp"',
    'chmod 1777 "$stage/tmp"',
    ...ordered.flatMap(formatMount),
    // An image is read-only here, where the kernel lets us: what a container writes goes away with it.
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

/** A word of the shell, whatever is in it. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
