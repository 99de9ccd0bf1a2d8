import type { BigIntStats } from "node:fs";
import { lstat, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isNoSuchFile } from "../../mesh/mesh-error.ts";
import { MAX_FILE_BYTES } from "../../mesh/resources/parsing/yaml-document.ts";
import type { FileVersion } from "./decide-file.ts";

/** A regular file as the file system describes it, without its content. */
export interface FileStatus {
  readonly path: string;
  /** The same stamp means the same content, unless the file was written within the timestamp's granularity. */
  readonly stamp: string;
  readonly fileId: string;
  readonly writtenAt: string;
  readonly modifiedMs: number;
}

export type Inspected =
  | ({ readonly kind: "file" } & FileStatus)
  | { readonly kind: "unusable"; readonly path: string; readonly message: string };

export type FolderListing =
  | { readonly kind: "listed"; readonly identity: string; readonly files: readonly Inspected[] }
  | { readonly kind: "unusable"; readonly message: string };

export type FileContent =
  | { readonly kind: "read"; readonly version: FileVersion }
  /** It changed while it was read. */
  | { readonly kind: "moving" }
  | { readonly kind: "unusable"; readonly message: string };

/**
 * Lists the YAML files of a folder in lexical order, without subfolders. Names that begin with a dot are skipped:
 * editor locks, and the `..data` folder of a mounted ConfigMap, whose files are reached through symlinks.
 */
export async function listFolder(folder: string): Promise<FolderListing> {
  try {
    const identity = fileIdOf(await stat(folder, { bigint: true }));
    const names = (await readdir(folder)).filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
    const files: Inspected[] = [];
    for (const name of names) {
      const inspected = await inspectFile(join(folder, name));
      if (inspected !== undefined) files.push(inspected);
    }
    return { kind: "listed", identity, files };
  } catch (caught) {
    return { kind: "unusable", message: `the folder cannot be read: ${describeFault(caught)}` };
  }
}

/** Reads a complete file. Returns `moving` if it is not, or no longer, the inspected version. */
export async function readVersion(status: FileStatus): Promise<FileContent> {
  const file = await open(status.path).catch((caught: unknown) => describeFault(caught));
  if (typeof file === "string") return { kind: "unusable", message: `the file cannot be read: ${file}` };
  try {
    const before = await file.stat({ bigint: true });
    if (stampOf(before) !== status.stamp) return { kind: "moving" };
    if (before.size > MAX_FILE_BYTES) {
      return {
        kind: "unusable",
        message: `the file has ${before.size} bytes; the limit is ${MAX_FILE_BYTES}: split it`,
      };
    }
    const buffer = Buffer.alloc(Number(before.size) + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0);
    const after = await file.stat({ bigint: true });
    if (stampOf(after) !== status.stamp || bytesRead !== Number(before.size)) return { kind: "moving" };
    const text = new TextDecoder("utf-8", { fatal: true }).decode(buffer.subarray(0, bytesRead));
    return { kind: "read", version: { text, fileId: status.fileId, writtenAt: status.writtenAt } };
  } catch (caught) {
    return { kind: "unusable", message: `the file cannot be read: ${describeFault(caught)}` };
  } finally {
    await file.close();
  }
}

async function inspectFile(path: string): Promise<Inspected | undefined> {
  try {
    const stats = await stat(path, { bigint: true });
    if (stats.isDirectory()) return undefined;
    // Opening a pipe would block until its other end is opened.
    if (!stats.isFile()) return { kind: "unusable", path, message: "it is not a regular file" };
    return {
      kind: "file",
      path,
      stamp: stampOf(stats),
      fileId: fileIdOf(stats),
      writtenAt: String(stats.mtimeNs),
      modifiedMs: Number(stats.mtimeMs),
    };
  } catch (caught) {
    // Deleted since it was listed, unlike a dangling symlink, which is an error.
    const isGone = await lstat(path).then(() => false, isNoSuchFile);
    return isGone
      ? undefined
      : { kind: "unusable", path, message: `the file cannot be read: ${describeFault(caught)}` };
  }
}

function stampOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(":");
}

function fileIdOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`;
}

const FAULTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  ENOENT: "it does not exist, or it is a dangling symlink",
  ELOOP: "it is a symlink loop",
  ENOTDIR: "it is not a folder",
  EMFILE: "this process has too many open files",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8",
};

function describeFault(caught: unknown): string {
  if (!(caught instanceof Error)) return String(caught);
  const errno = errnoOf(caught);
  return (errno === undefined ? undefined : FAULTS[errno]) ?? caught.message;
}
