import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { buffer as readStream } from "node:stream/consumers";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { InjectorError } from "../injector-error.ts";

export interface ManifestFile {
  /** The file's name, for messages. */
  readonly file: string;
  readonly text: string;
}

/**
 * Reads the paths of `-f` in order: files, folders, and `-` for standard input. In a folder, as in kubectl, *.yaml,
 * *.yml and *.json are read in lexical order; subfolders and hidden files are skipped.
 * @throws InjectorError `unreadable_manifest`
 */
export async function readManifestFiles(
  paths: readonly string[],
  standardInput: NodeJS.ReadableStream,
): Promise<readonly ManifestFile[]> {
  if (paths.filter((path) => path === "-").length > 1) {
    throw new InjectorError("unreadable_manifest", "standard input can be read only once; use -f - once");
  }
  const files: ManifestFile[] = [];
  for (const path of paths) {
    if (path === "-") files.push(decode("standard input", await readStream(standardInput)));
    else for (const file of await listFiles(path)) files.push(decode(file, await attempt(file, () => readFile(file))));
  }
  return files;
}

/** Joins texts of documents. A single text stays unchanged. */
export function joinManifests(texts: readonly string[]): string {
  return texts
    .map((text, i) => {
      const isSeparated = i === 0 || /^(?:[ \t]*(?:#.*)?\r?\n)*---(?:\s|$)/.test(text);
      const isEnded = i === texts.length - 1 || text === "" || text.endsWith("\n");
      return `${isSeparated ? "" : "---\n"}${text}${isEnded ? "" : "\n"}`;
    })
    .join("");
}

async function listFiles(path: string): Promise<readonly string[]> {
  const isFolder = await attempt(path, async () => (await stat(path)).isDirectory());
  if (!isFolder) return [path];
  const names = (await attempt(path, () => readdir(path))).filter((name) => /^[^.].*\.(?:ya?ml|json)$/.test(name));
  if (names.length > 0) return names.sort().map((name) => join(path, name));
  throw new InjectorError("unreadable_manifest", `the folder ${path} contains no .yaml, .yml or .json file`);
}

async function attempt<Value>(path: string, read: () => Promise<Value>): Promise<Value> {
  try {
    return await read();
  } catch (cause) {
    const errno = cause instanceof Error ? errnoOf(cause) : undefined;
    const reason = errno === "ENOENT" ? "there is no such file or folder" : String(cause);
    throw new InjectorError("unreadable_manifest", `cannot read ${path}: ${reason}`, { cause });
  }
}

/** A file that is not UTF-8 could not be printed unchanged. */
function decode(file: string, bytes: Buffer): ManifestFile {
  try {
    return { file, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (cause) {
    throw new InjectorError("unreadable_manifest", `cannot read ${file}: it is not UTF-8`, { cause });
  }
}
