import { mkdir, open, realpath, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { isNoSuchFile, MeshError } from "../../mesh/mesh-error.ts";
import { CaError } from "../ca-error.ts";
import { AUTHORITY_FILE_NAMES, type AuthorityFiles, type FileTexts, selectAuthorityFiles } from "./authority-files.ts";
import {
  type FileProtection,
  findDirectoryFault,
  findKeyFault,
  findParentFault,
  type Ownership,
  type Reader,
} from "./file-protection.ts";

/** Files from a directory, and how well they are protected. */
export interface DirectoryFiles extends AuthorityFiles {
  readonly protection: FileProtection;
  /** Whether others than this process's user may read the key. */
  readonly isKeyShared: boolean;
}

const MAX_FILE_BYTES = 1024 * 1024;
/** The kubelet keeps a Secret in memory. */
const TMPFS_MAGIC = 0x01021994;
const GROUP_AND_OTHERS = 0o077;

/**
 * Reads the files of an authority.
 * @returns undefined if none exists. An incomplete set, or one that others could read or replace, is an error.
 */
export async function readAuthorityFiles(
  directory: string,
  protection: "private" | "mounted",
): Promise<DirectoryFiles | undefined> {
  const home = await resolveVolume(directory);
  const found = await Promise.all(AUTHORITY_FILE_NAMES.map((name) => readPem(join(directory, name), join(home, name))));
  const read = new Map(found.flatMap((file, index) => (file ? [[AUTHORITY_FILE_NAMES[index] ?? "", file]] : [])));
  const texts = new Map([...read].map(([name, { text }]) => [name, text]));
  const locate = (name: string): string => join(directory, name);
  const files = selectAuthorityFiles({ from: directory, locate, texts });
  if (files === undefined) return undefined;
  const key = [...read.values()].find(({ path }) => path === files.locate("key"));
  if (key === undefined) throw new TypeError(`${files.locate("key")} was not read`);
  const actual =
    protection === "mounted" && (await isSecretVolume(directory, home, key)) ? "secret_volume" : protection;
  const fault =
    findDirectoryFault(await readOwnership(directory), actual) ?? findKeyFault(key, actual, currentReader());
  if (fault !== undefined) throw fault;
  return { ...files, protection: actual, isKeyShared: (key.mode & GROUP_AND_OTHERS) !== 0 };
}

/**
 * Reads files of these names from a directory that only this process's user may access.
 * @returns undefined if none exists. Keys that others could read or replace are an error.
 */
export async function readPrivateFiles(directory: string, names: readonly string[]): Promise<FileTexts | undefined> {
  const locate = (name: string): string => join(directory, name);
  const found = await Promise.all(names.map((name) => readPem(locate(name), locate(name))));
  const read = found.flatMap((file, index) => (file ? [{ name: names[index] ?? "", file }] : []));
  if (read.length === 0) return undefined;
  const keys = read.filter(({ name }) => name.endsWith("key.pem") || name.endsWith(".key"));
  const faults = keys.map(({ file }) => findKeyFault(file, "private", currentReader()));
  const ownership = await readOwnership(directory).catch((caught: unknown) => {
    // Another process has removed it meanwhile.
    if (isNoSuchFile(caught)) return undefined;
    throw caught;
  });
  if (ownership === undefined) return undefined;
  const fault = findDirectoryFault(ownership, "private") ?? faults.find(Boolean);
  if (fault !== undefined) throw fault;
  return { from: directory, locate, texts: new Map(read.map(({ name, file }) => [name, file.text])) };
}

/** Creates a directory to keep a private one in, or checks that an existing one is fit for that. */
export async function prepareParentDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (caught) {
    throw unusable(directory, caught, CREATE_FIX);
  }
  const fault = findParentFault(await readOwnership(directory), currentReader());
  if (fault !== undefined) throw fault;
}

/**
 * Where the files are: the kubelet replaces the link `..data` when a Secret changes, so that all files are of one
 * version if it is followed once.
 */
async function resolveVolume(directory: string): Promise<string> {
  try {
    return await realpath(join(directory, "..data"));
  } catch {
    return directory;
  }
}

/** A Secret's mount: behind `..data`, in memory, and of root, while this process is not root. */
async function isSecretVolume(directory: string, home: string, key: Ownership): Promise<boolean> {
  if (home === directory || key.uid !== 0 || currentReader().uid === 0) return false;
  return (await statfs(home)).type === TMPFS_MAGIC;
}

interface ReadFile extends Ownership {
  readonly text: string;
}

/** The text, and the ownership of the very file that it was read from. */
async function readPem(path: string, realPath: string): Promise<ReadFile | undefined> {
  try {
    await using file = await open(realPath, "r");
    const { size, mode, uid } = await file.stat();
    if (size > MAX_FILE_BYTES) throw new CaError("authority_files", `${path} has ${size} bytes: it is not a PEM file`);
    return { path, mode, uid, text: await file.readFile("utf8") };
  } catch (caught) {
    if (isNoSuchFile(caught)) return undefined;
    throw caught instanceof CaError ? caught : unusable(path, caught, READ_FIX);
  }
}

async function readOwnership(path: string): Promise<Ownership> {
  const { mode, uid } = await stat(path);
  return { path, mode, uid };
}

function currentReader(): Reader {
  return { uid: process.getuid?.() ?? 0 };
}

const CREATE_FIX = "create it for this user, or mount a Secret or an emptyDir there";
const READ_FIX = `let this user read it; for a mounted Secret set "defaultMode: 0400" and the pod's "fsGroup: 1337"`;

function unusable(path: string, caught: unknown, fix: string): CaError {
  const error = MeshError.from(caught);
  const message = `${path} cannot be used: ${error.message}; ${fix}`;
  return new CaError("authority_files", message, { cause: caught, details: { path } });
}
