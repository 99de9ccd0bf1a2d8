import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { CaError } from "../ca-error.ts";

/** File names in Istio's `cacerts` secret. */
export const AUTHORITY_FILE = {
  certificate: "ca-cert.pem",
  key: "ca-key.pem",
  roots: "root-cert.pem",
  chain: "cert-chain.pem",
} as const;

/** The PEM texts of an authority, as read from disk. */
export interface AuthorityFiles {
  readonly directory: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Absent if the certificate is its own root. */
  readonly rootsPem: string | undefined;
  readonly chainPem: string | undefined;
}

/**
 * Which file permissions are accepted. `private`: we created the files, so only their owner may access them. `mounted`:
 * they come from a mount such as a Kubernetes Secret, whose directory is readable and whose key a group may read. No
 * other user may read the key or replace files.
 */
export type FileProtection = "private" | "mounted";

const OTHERS = 0o077;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** A group may read a mounted key, nothing else. */
const KEY_OTHERS = 0o037;
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads the files of an authority.
 * @returns undefined if none exists. An incomplete set is an error.
 */
export async function readAuthorityFiles(
  directory: string,
  protection: FileProtection,
): Promise<AuthorityFiles | undefined> {
  const [certificatePem, keyPem, rootsPem, chainPem] = await Promise.all([
    readPem(join(directory, AUTHORITY_FILE.certificate)),
    readPem(join(directory, AUTHORITY_FILE.key)),
    readPem(join(directory, AUTHORITY_FILE.roots)),
    readPem(join(directory, AUTHORITY_FILE.chain)),
  ]);
  if ([certificatePem, keyPem, rootsPem, chainPem].every((pem) => pem === undefined)) return undefined;
  if (certificatePem === undefined) throw missingFile(directory, AUTHORITY_FILE.certificate);
  if (keyPem === undefined) throw missingFile(directory, AUTHORITY_FILE.key);
  await checkDirectory(directory, protection);
  await checkKeyFile(join(directory, AUTHORITY_FILE.key), protection);
  return { directory, certificatePem, keyPem, rootsPem, chainPem };
}

/** Creates the directory, or checks that an existing one is private. */
export async function preparePrivateDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (caught) {
    throw unusable(directory, caught);
  }
  await checkDirectory(directory, "private");
}

async function checkDirectory(directory: string, protection: FileProtection): Promise<void> {
  const { mode } = await stat(directory);
  if (protection === "private" && (mode & OTHERS) !== 0) {
    throw tooPermissive(
      directory,
      mode,
      `run "chmod 700 ${directory}", or use a directory inside it, which will be created`,
    );
  }
  if (protection === "mounted" && (mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
    throw tooPermissive(directory, mode, `other users could replace the key: run "chmod go-w ${directory}"`);
  }
}

async function checkKeyFile(path: string, protection: FileProtection): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & (protection === "private" ? OTHERS : KEY_OTHERS)) === 0) return;
  const fix =
    protection === "private"
      ? `run "chmod 600 ${path}"`
      : `run "chmod 600 ${path}", or for a mounted secret set "defaultMode: 0400"`;
  throw tooPermissive(path, mode, `${fix}; if another user may have read the key, create a new one`);
}

async function readPem(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) throw new CaError("authority_files", `${path} has ${size} bytes: it is not a PEM file`);
    return await readFile(path, "utf8");
  } catch (caught) {
    if (caught instanceof Error && errnoOf(caught) === "ENOENT") return undefined;
    throw caught instanceof CaError ? caught : unusable(path, caught);
  }
}

function missingFile(directory: string, name: string): CaError {
  const path = join(directory, name);
  return new CaError(
    "authority_files",
    `${path} is missing, but other files of the authority exist: restore it, or move all of ` +
      `${Object.values(AUTHORITY_FILE).join(", ")} away to create a new authority, which every workload must then trust`,
    { details: { path } },
  );
}

function tooPermissive(path: string, mode: number, fix: string): CaError {
  const octal = (mode & 0o7777).toString(8).padStart(4, "0");
  return new CaError("authority_permissions", `${path} has mode ${octal}, which is too open for an authority: ${fix}`, {
    details: { path },
  });
}

function unusable(path: string, caught: unknown): CaError {
  const reason = caught instanceof Error ? caught.message : String(caught);
  return new CaError("authority_files", `${path} cannot be used: ${reason}`, { cause: caught, details: { path } });
}
