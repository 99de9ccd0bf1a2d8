import { CaError } from "../ca-error.ts";

/** What the system says of a file or directory. */
export interface Ownership {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
}

/** The process that would use it. */
export interface Reader {
  readonly uid: number;
}

/**
 * Which permissions are accepted. `private`: we created the files, so only we may access them. `mounted`: they come from
 * outside, such as a Kubernetes Secret, whose directory is readable and whose key a group may read. No other user may
 * read the key or replace files. `secret_volume`: the kubelet's mount of a Secret, which only this pod sees; nobody in it
 * can change a mode, and 0644 is the kubelet's default.
 */
export type FileProtection = "private" | "mounted" | "secret_volume";

const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** A group may read a mounted key, nothing else. */
const KEY_OTHERS = 0o037;
const ROOT = 0;

/** Why a directory of key files is not safe, with the fix; undefined if it is. */
export function findDirectoryFault(directory: Ownership, protection: FileProtection): CaError | undefined {
  const { path, mode } = directory;
  if (protection === "private") {
    if ((mode & OTHERS) === 0) return undefined;
    return tooOpen(directory, `run "chmod 700 ${path}", or use a directory inside it, which will be created`);
  }
  if ((mode & OTHERS_WRITE) === 0 || (mode & STICKY) !== 0) return undefined;
  return tooOpen(directory, `other users could replace the key: run "chmod go-w ${path}"`);
}

/** Why a key file is not safe, with the fix; undefined if it is. */
export function findKeyFault(key: Ownership, protection: FileProtection, reader: Reader): CaError | undefined {
  const { path, mode, uid } = key;
  if (protection === "private" && uid !== reader.uid && uid !== ROOT) {
    return new CaError("authority_permissions", `${path} belongs to the user ${uid}, who may replace it: remove it`);
  }
  if (protection === "secret_volume" || (mode & (protection === "private" ? OTHERS : KEY_OTHERS)) === 0) {
    return undefined;
  }
  const fix =
    protection === "private"
      ? `run "chmod 600 ${path}"`
      : `run "chmod 600 ${path}", or for a mounted Secret set "defaultMode: 0400" and the pod's "fsGroup: 1337"`;
  return tooOpen(key, `${fix}; if another user may have read the key, create a new one`);
}

/**
 * Whether a directory may hold our private one. Others may write to it only if it is not ours to change, as an emptyDir
 * (mode 2777, of root): they could take our directory away, but neither read it nor put one of ours in its place.
 */
export function findParentFault(directory: Ownership, reader: Reader): CaError | undefined {
  const isOurs = reader.uid === ROOT || directory.uid === reader.uid;
  return isOurs ? findDirectoryFault(directory, "private") : undefined;
}

function tooOpen({ path, mode }: Ownership, fix: string): CaError {
  const octal = (mode & 0o7777).toString(8).padStart(4, "0");
  return new CaError("authority_permissions", `${path} has mode ${octal}, which is too open for an authority: ${fix}`, {
    details: { path },
  });
}
