import { hash } from "node:crypto";
import { mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, MeshError } from "../../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../../mesh/runtime.ts";
import { readAuthorityFiles } from "../../authority/authority-directory.ts";
import { ISTIO_FORM } from "../../authority/authority-files.ts";
import { CaError } from "../../ca-error.ts";
import { syncDirectory, writeDurably } from "../../durable-files.ts";
import type { RotationState } from "../rotation-state.ts";
import { type AuthorityStore, requireOwnVersion, type StoredAuthority, type StoredRoot } from "./authority-store.ts";
import { formatOwnAuthority } from "./format-own-authority.ts";
import { parseOwnAuthority } from "./own-authority.ts";
import { type Generation, listGenerations, type OwnDirectory, readOwnDirectory, SELF_SIGNED } from "./own-directory.ts";

export interface DirectoryStoreOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a next state was stored. */
  readonly onStored?: () => void;
  /** @default the system's */
  readonly files?: StoreFiles;
}

/** What changes the disk, one step each. */
export interface StoreFiles {
  /** Creates a directory of mode 0700 with a unique name; returns its path. */
  mkdtemp(prefix: string): Promise<string>;
  writeDurably(path: string, text: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
}

const SYSTEM_FILES: StoreFiles = {
  mkdtemp,
  writeDurably,
  syncDirectory,
  rename,
  remove: (path) => rm(path, { recursive: true, force: true }),
};

const DRAFT_PREFIX = `.${SELF_SIGNED}-`;
/** A draft that is older was left by a process that ended while it wrote. */
const DRAFT_MS = 3_600_000;

/** The authority of a directory, as an operator's files or as generations of the mesh's own. */
export function createDirectoryStore(options: DirectoryStoreOptions): AuthorityStore {
  return {
    read: () => readStored(options.directory),
    swap: (expected, next) => new DirectorySwap(options).run(expected, next),
  };
}

/**
 * Removes what no longer counts: the keys of earlier generations, and drafts of processes that have ended. The certificate
 * in `self-signed/` stays: an earlier version of Entente, which knows no generations, then refuses to start, and does not
 * create another root.
 */
export async function tidyOwnDirectory({ directory, clock, log, files }: DirectoryStoreOptions): Promise<void> {
  const remove = (files ?? SYSTEM_FILES).remove;
  try {
    // By what was read, not by name: an empty directory of a later name must not cost the key that counts.
    const counting = (await readOwnDirectory(directory))?.generation.number ?? 0;
    const older = (await listGenerations(directory)).filter(({ number }) => number < counting);
    for (const generation of older) await remove(keyOrWhole(generation));
    const drafts = (await readdir(directory)).filter((name) => name.startsWith(DRAFT_PREFIX));
    for (const path of drafts.map((name) => join(directory, name))) {
      const { mtimeMs } = await stat(path);
      if (clock.now() - mtimeMs > DRAFT_MS) await remove(path);
    }
  } catch (caught) {
    const { code, message } = MeshError.from(caught);
    const fields = { component: "ca-agent", code, directory, reason: message };
    log.warn(fields, "an earlier state of the authority could not be removed: its keys are still there");
  }
}

function keyOrWhole({ number, path }: Generation): string {
  return number === 0 ? join(path, ISTIO_FORM.key) : path;
}

async function readStored(directory: string): Promise<StoredAuthority> {
  const plugged = await readAuthorityFiles(directory, "mounted");
  if (plugged !== undefined) return { kind: "plugged_in", from: directory };
  const own = await readOwnDirectory(directory);
  return own === undefined ? { kind: "absent" } : storedFrom(own);
}

function storedFrom({ found, generation }: OwnDirectory): StoredAuthority {
  const own = parseOwnAuthority(found);
  if (own.kind !== "root") return { kind: "plugged_in", from: found.from };
  const version = hash("sha256", JSON.stringify([generation.number, ...[...found.texts].sort()]));
  return { ...own, version };
}

class DirectorySwap {
  readonly #options: DirectoryStoreOptions;
  readonly #files: StoreFiles;

  constructor(options: DirectoryStoreOptions) {
    this.#options = options;
    this.#files = options.files ?? SYSTEM_FILES;
  }

  async run(expected: StoredRoot, next: RotationState): Promise<"stored" | "conflict"> {
    const { directory } = this.#options;
    if (next.revision <= expected.state.revision) throw new TypeError(`revision ${next.revision} does not follow`);
    const present = await readStored(directory);
    if (present.kind !== "root" || present.version !== expected.version) return "conflict";
    requireOwnVersion(present, directory);
    const path = join(directory, `${SELF_SIGNED}.${next.revision}`);
    const isOurs = await this.#place(path, formatOwnAuthority(next)).catch((caught: unknown) => {
      throw new CaError(
        "authority_files",
        `cannot store the next state in ${directory}: ${MeshError.from(caught).message}`,
        {
          cause: caught,
        },
      );
    });
    if (!isOurs || (await this.#isOvertaken(next.revision, path))) return "conflict";
    this.#options.onStored?.();
    await tidyOwnDirectory(this.#options);
    return "stored";
  }

  /** @returns false if there is a generation of this name */
  async #place(path: string, texts: Readonly<Record<string, string>>): Promise<boolean> {
    const { directory } = this.#options;
    const { mkdtemp: createDraft, writeDurably: write, syncDirectory: sync, rename: move, remove } = this.#files;
    const draft = await createDraft(join(directory, DRAFT_PREFIX));
    try {
      for (const [name, text] of Object.entries(texts)) await write(join(draft, name), text);
      await sync(draft);
      // Fails if there is one that is not empty: of two processes one succeeds.
      await move(draft, path);
    } catch (caught) {
      // What remains is removed later; the first error is the one that counts.
      await remove(draft).catch(() => undefined);
      const code = caught instanceof Error ? errnoOf(caught) : undefined;
      if (code === "ENOTEMPTY" || code === "EEXIST") return false;
      throw caught;
    }
    await sync(directory);
    return true;
  }

  /** While we were slow, others may have gone on from the state that we replace, and removed its generations. */
  async #isOvertaken(revision: number, path: string): Promise<boolean> {
    const own = await readOwnDirectory(this.#options.directory);
    if (own?.generation.number === revision) return false;
    await this.#files.remove(path);
    return true;
  }
}
