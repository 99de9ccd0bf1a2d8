import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isNoSuchFile } from "../../../mesh/mesh-error.ts";
import { readPrivateFiles } from "../../authority/authority-directory.ts";
import type { FileTexts } from "../../authority/authority-files.ts";
import { CaError } from "../../ca-error.ts";
import { parseOwnAuthority } from "./own-authority.ts";
import { OWN_FILE_NAMES } from "./own-file-names.ts";

/**
 * The mesh's own authority in a directory. `self-signed/` contains a root that was never rotated. Each step of a rotation
 * adds a generation, `self-signed.N`, which is complete once it has its name, and whose number is the state's revision; the
 * highest one counts.
 */
export const SELF_SIGNED = "self-signed";
const GENERATION = /^self-signed\.([1-9]\d{0,8})$/;
/** Each step of another process makes a reading begin again. */
const MAX_ATTEMPTS = 10;

export interface Generation {
  /** The revision of its state; 0 for `self-signed/`. */
  readonly number: number;
  readonly path: string;
}

/** The generation that counts, and its files. */
export interface OwnDirectory {
  readonly generation: Generation;
  readonly found: FileTexts;
}

/** @returns undefined if there is none yet */
export async function readOwnDirectory(directory: string): Promise<OwnDirectory | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const newest = (await listGenerations(directory))[0]?.number;
    const read = await readNewest(directory);
    // Another process may have replaced, and then removed, what was being read.
    if ((await listGenerations(directory))[0]?.number !== newest) continue;
    if (read !== undefined) checkRevision(read);
    return read;
  }
  throw new CaError("authority_files", `${directory} changes faster than it can be read`);
}

/** The highest number first. */
export async function listGenerations(directory: string): Promise<readonly Generation[]> {
  const names = await readdir(directory).catch((caught: unknown): string[] => {
    if (isNoSuchFile(caught)) return [];
    throw caught;
  });
  const generations = names.flatMap((name): readonly Generation[] => {
    const number = name === SELF_SIGNED ? "0" : GENERATION.exec(name)?.[1];
    return number === undefined ? [] : [{ number: Number(number), path: join(directory, name) }];
  });
  return generations.sort((one, other) => other.number - one.number);
}

/** An empty directory is none: renaming a complete one replaces it. */
async function readNewest(directory: string): Promise<OwnDirectory | undefined> {
  for (const generation of await listGenerations(directory)) {
    const found = await readPrivateFiles(generation.path, OWN_FILE_NAMES);
    if (found !== undefined) return { generation, found };
  }
  return undefined;
}

/** An old generation under a new name would bring an old state back. */
function checkRevision({ generation: { number, path }, found }: OwnDirectory): void {
  const own = parseOwnAuthority(found);
  const revision = own.kind === "root" ? own.state.revision : 0;
  if (revision === number) return;
  throw new CaError(
    "authority_files",
    `${path} contains the state of revision ${revision}: the name was changed by hand, restore the directory from a backup`,
  );
}
