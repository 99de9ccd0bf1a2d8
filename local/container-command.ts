/** Builds the command that starts a container as a process in its pod's namespaces. Pure, so that it can be read and tested. */
export interface ContainerCommandInput {
  /** The network namespace's name. */
  readonly namespace: string;
  readonly mounts: readonly Mount[];
  readonly uid: number;
  readonly gid: number;
  /** Linux capabilities that are left, such as `NET_ADMIN`; none for most. */
  readonly capabilities: readonly string[];
  readonly program: readonly string[];
}

/** A folder or file of this machine, and where the container sees it. */
export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly isFile: boolean;
  readonly isReadOnly: boolean;
}

/** Where containers see the project's folder, whoever may enter the folders above the real one. */
export const PROJECT_MOUNT = "/run/entente/project";

/** Mount points that lie under these are made in memory; any other must exist on this machine. */
const WRITABLE_ROOTS = ["/run/", "/var/run/", "/tmp/"] as const;

export function canBeMountPoint(path: string): boolean {
  return WRITABLE_ROOTS.some((root) => path.startsWith(root));
}

/**
 * The command line. `ip netns exec` gives the process the pod's network and a mount namespace of its own; the shell
 * mounts what the container sees; setpriv takes away all rights but those asked for and ties the process's life to ours:
 * if we are killed, the kernel kills it. Each step replaces the one before, so that the process keeps one id.
 */
export function formatContainerCommand(input: ContainerCommandInput): readonly string[] {
  const { namespace, uid, gid } = input;
  const script = [
    "set -e",
    // Only /run is new: what a container finds there otherwise are other programs' sockets.
    "mount -t tmpfs -o mode=0755,size=64m,nosuid,nodev tmpfs /run",
    ...input.mounts.flatMap(formatMount),
    'exec "$@"',
  ].join("\n");
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
    "--pdeathsig=KILL",
    "--",
  ];
  return ["ip", "netns", "exec", namespace, "sh", "-c", script, "sh", ...setpriv, ...input.program];
}

function formatMount(mount: Mount): readonly string[] {
  const source = quote(mount.source);
  const target = quote(mount.target);
  const make = mount.isFile
    ? `mkdir -p "$(dirname ${target})"; [ -e ${target} ] || : > ${target}`
    : `mkdir -p ${target}`;
  return [
    ...(canBeMountPoint(mount.target) ? [make] : []),
    `mount --bind ${source} ${target}`,
    ...(mount.isReadOnly ? [`mount -o remount,bind,ro ${target}`] : []),
  ];
}

/** A word of the shell, whatever is in it. */
function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
