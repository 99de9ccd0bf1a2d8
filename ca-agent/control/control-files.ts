import { randomUUID } from "node:crypto";
import { link, open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, isNoSuchFile, MeshError } from "../../mesh/mesh-error.ts";
import { CaError } from "../ca-error.ts";
import { type FileOwner, syncDirectory, writeDurably } from "../durable-files.ts";
import { listGenerations as listAuthorities } from "../rotation/storage/own-directory.ts";

/** A file with a desired state. Each change is a new file with the next number; the highest one counts. */
export interface ControlFile {
  readonly path: string;
  readonly generation: number;
  readonly text: string;
}

const NAME = /^entente-ca\.(\d{1,15})\.json$/;
const MAX_FILE_BYTES = 2 * 1024 * 1024;
/** A writer that is slow must find its number taken, or be late by more than these. */
const KEPT = 8;
const OTHERS_WRITE = 0o022;
const ROOT = 0;
/** A file can be replaced by a newer one between listing and opening it. */
const READ_ATTEMPTS = 20;

/**
 * Reads the file that counts; undefined if there is none. A file that another user may have written is refused. Throws a
 * CaError `control_state`.
 */
export async function readControlFile(directory: string): Promise<ControlFile | undefined> {
  for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt += 1) {
    const generation = await findNewest(directory);
    if (generation === undefined) return undefined;
    const path = join(directory, nameOf(generation));
    const text = await readOwnFile(path, directory);
    if (text !== undefined) return { path, generation, text };
  }
  throw new CaError("control_state", `${directory}: what is asked of the authority changes too often to be read`);
}

/** What changes whenever the file that counts does; costs no read. */
export async function controlFileVersion(directory: string): Promise<string> {
  try {
    const generation = await findNewest(directory);
    if (generation === undefined) return "none";
    const { ino, mtimeNs, ctimeNs, size } = await stat(join(directory, nameOf(generation)), { bigint: true });
    return `${generation} ${ino} ${mtimeNs} ${ctimeNs} ${size}`;
  } catch (caught) {
    return MeshError.from(caught).message;
  }
}

/**
 * Stores the state that follows generation `after`. The file is complete and on the disk before it has its name, and the
 * name can be given only once: of two writers one succeeds. False: another one did. Throws a CaError `control_write`.
 */
export async function storeControlFile(directory: string, text: string, after: number): Promise<boolean> {
  const draft = join(directory, `.entente-ca.${randomUUID()}.draft`);
  try {
    await writeDurably(draft, text, await ownerOf(directory));
    await link(draft, join(directory, nameOf(after + 1)));
    await syncDirectory(directory);
    const newest = (await findNewest(directory)) ?? 0;
    // So many later ones that others may have given this very number before, and removed that file again.
    if (newest >= after + 1 + KEPT) return false;
    // Others may have changed this state already, which is no conflict.
    await removeOlder(directory, newest);
    return true;
  } catch (caught) {
    if (caught instanceof Error && errnoOf(caught) === "EEXIST") return false;
    const { message } = MeshError.from(caught);
    const fix = "run the command as the user of the control plane; a directory that is read-only keeps no state";
    throw new CaError(
      "control_write",
      `cannot store what is asked of the authority in ${directory}: ${message}; ${fix}`,
      {
        cause: caught,
      },
    );
  } finally {
    await rm(draft, { force: true }).catch(() => undefined);
  }
}

function nameOf(generation: number): string {
  return `entente-ca.${generation}.json`;
}

async function findNewest(directory: string): Promise<number | undefined> {
  const numbers = await listGenerations(directory);
  return numbers.length === 0 ? undefined : Math.max(...numbers);
}

async function listGenerations(directory: string): Promise<readonly number[]> {
  try {
    return (await readdir(directory)).flatMap((name) => {
      const [, digits] = NAME.exec(name) ?? [];
      return digits === undefined ? [] : [Number(digits)];
    });
  } catch (caught) {
    // Before the authority has created its directory.
    if (isNoSuchFile(caught)) return [];
    throw new CaError("control_state", `${directory} cannot be listed: ${MeshError.from(caught).message}`, {
      cause: caught,
    });
  }
}

/** What is left behind is harmless: a lower number never counts. */
async function removeOlder(directory: string, newest: number): Promise<void> {
  const older = (await listGenerations(directory)).filter((generation) => generation <= newest - KEPT);
  await Promise.all(older.map((generation) => rm(join(directory, nameOf(generation)), { force: true })));
}

/** Undefined: the file has just been replaced by a newer one. */
async function readOwnFile(path: string, directory: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { size, mode, uid } = await file.stat();
    if (size > MAX_FILE_BYTES)
      throw new CaError("control_state", `${path} has ${size} bytes, the limit is ${MAX_FILE_BYTES}`);
    const owners = [process.getuid?.() ?? ROOT, ROOT, (await findOwner(directory)).uid];
    if ((mode & OTHERS_WRITE) !== 0 || !owners.includes(uid)) {
      throw new CaError(
        "control_state",
        `${path} could be written by another user: run "chmod 600 ${path}", and check its owner and content`,
      );
    }
    return await file.readFile("utf8");
  } catch (caught) {
    if (isNoSuchFile(caught)) return undefined;
    if (caught instanceof CaError) throw caught;
    const isForbidden = caught instanceof Error && errnoOf(caught) === "EACCES";
    const fix = isForbidden ? "; run this as root, or as the user of the control plane, to whom it must belong" : "";
    const message = `${path} cannot be read: ${MeshError.from(caught).message}${fix}`;
    throw new CaError("control_state", message, { cause: caught });
  }
}

/** Root writes for the user of the control plane, who could not read the file otherwise. */
async function ownerOf(directory: string): Promise<FileOwner | undefined> {
  return process.getuid?.() === ROOT ? await findOwner(directory) : undefined;
}

/**
 * The user of the control plane: the owner of the root that it has created, since an emptyDir belongs to root. The owner of the
 * directory, if there is none, or if another user has put one beside it.
 */
async function findOwner(directory: string): Promise<FileOwner> {
  const authorities = await Promise.all((await listAuthorities(directory)).map(({ path }) => readOwner(path)));
  const [first, ...others] = authorities.filter((owner) => owner !== undefined);
  const isOne = first !== undefined && others.every(({ uid }) => uid === first.uid);
  return isOne ? first : await stat(directory);
}

/** Undefined: another process has just removed it. */
async function readOwner(path: string): Promise<FileOwner | undefined> {
  try {
    return await stat(path);
  } catch (caught) {
    if (isNoSuchFile(caught)) return undefined;
    throw caught;
  }
}
