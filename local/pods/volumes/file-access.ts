import { containerUser } from "../container-user.ts";
import type { PodManifest } from "../pod-manifest.ts";

/** Owner and permissions of a volume's files. */
export interface FileAccess {
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** What is in a volume: tokens and the content of Secrets are confidential. */
export type ContentKind = "confidential" | "public";

const OWNER = 0o700;
const OWNER_AND_GROUP = 0o770;
const READ_BY_GROUP = 0o440;

/**
 * Who may read the files of a volume. Public ones are the kubelet's: of root and the pod's fsGroup, with the volume's
 * defaultMode. Confidential ones belong to the user of the containers that mount the volume, if that is one, and no
 * other user can read them; the kubelet does that for tokens, and looks at all containers of the pod. For several users
 * it takes the pod's fsGroup. Without one they have the volume's defaultMode, as in a cluster.
 */
export function decideFileAccess(kind: ContentKind, volume: string, pod: PodManifest): FileAccess {
  const mode = defaultModeOf(volume, pod);
  const users = usersOf(volume, pod);
  const [uid = 0] = users;
  if (kind === "confidential" && users.size <= 1) return { uid, gid: 0, mode: mode & OWNER };
  const fsGroup = pod.spec.securityContext?.fsGroup;
  if (typeof fsGroup !== "number") return { uid: 0, gid: 0, mode };
  const shared = mode | READ_BY_GROUP;
  return { uid: 0, gid: fsGroup, mode: kind === "public" ? shared : shared & OWNER_AND_GROUP };
}

function defaultModeOf(name: string, { spec }: PodManifest): number {
  const volume = spec.volumes?.find((candidate) => candidate.name === name);
  return (volume?.secret ?? volume?.configMap ?? volume?.projected)?.defaultMode ?? 0o644;
}

function usersOf(volume: string, pod: PodManifest): ReadonlySet<number> {
  const { initContainers, containers } = pod.spec;
  const mounting = [...(initContainers ?? []), ...containers].filter(({ volumeMounts }) =>
    volumeMounts?.some(({ name }) => name === volume),
  );
  return new Set(mounting.map((container) => containerUser(container, pod).uid));
}
