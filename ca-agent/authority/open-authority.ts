import { randomBytes as systemRandomBytes } from "node:crypto";
import { join } from "node:path";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import { tidyOwnDirectory } from "../rotation/storage/directory-store.ts";
import { readOwnAuthority } from "../rotation/storage/own-authority.ts";
import { readOwnDirectory, SELF_SIGNED } from "../rotation/storage/own-directory.ts";
import type { RandomBytes } from "../x509/certificate.ts";
import { type DirectoryFiles, prepareParentDirectory, readAuthorityFiles } from "./authority-directory.ts";
import { createLiveAuthority, type LiveAuthority } from "./live-authority.ts";
import { createSelfSignedRoot, keepRoot } from "./self-signed-root.ts";
import { warnOfStrictFaults } from "./strict-faults.ts";
import { describeMaterial, parseTrustedMaterial } from "./trusted-material.ts";

export interface OpenAuthorityOptions {
  /**
   * Contains Istio's `cacerts` files; otherwise the root that is created on first start is stored in `self-signed/`.
   */
  readonly directory: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly log: Logger;
  /** @default node:crypto's */
  readonly randomBytes?: RandomBytes;
}

/**
 * Opens the authority of a directory: the `cacerts` files if there are any, else the root created on an earlier start,
 * else a new root. Throws a CaError that names the file and the fix; never replaces a file.
 */
export async function openAuthority(options: OpenAuthorityOptions): Promise<LiveAuthority> {
  const { directory, trustDomain, clock, log, randomBytes = systemRandomBytes } = options;
  const plugged = await readAuthorityFiles(directory, "mounted");
  const files = plugged ?? (await openSelfSigned(options));
  const material = await parseTrustedMaterial(files, { trustDomain, clock, randomBytes });
  const origin = plugged === undefined ? "self-signed" : "plugged in";
  log.info({ ...describeMaterial(material), from: files.from, origin }, "certificate authority opened");
  warnOfStrictFaults(material, files.from, log);
  if (files.protection === "secret_volume" && files.isKeyShared)
    log.warn({ component: "ca-agent" }, describeShared(files));
  return createLiveAuthority(material, { clock, log, randomBytes });
}

async function openSelfSigned(options: OpenAuthorityOptions): Promise<DirectoryFiles> {
  const { directory, trustDomain, clock, log } = options;
  await prepareParentDirectory(directory);
  const home = join(directory, SELF_SIGNED);
  const kept = await readOwnFiles(directory);
  if (kept !== undefined) {
    await tidyOwnDirectory(options);
    return kept;
  }
  const randomBytes = options.randomBytes ?? systemRandomBytes;
  const root = createSelfSignedRoot({ trustDomain, nowMs: clock.now(), randomBytes });
  const isOurs = await keepRoot(directory, SELF_SIGNED, root).catch((caught: unknown) => {
    throw new CaError("authority_files", `cannot store a root in ${directory}: ${MeshError.from(caught).message}`, {
      cause: caught,
    });
  });
  if (isOurs) log.info({ component: "ca-agent", directory: home }, "created a new self-signed root");
  const files = await readOwnFiles(directory);
  if (files === undefined)
    throw new CaError("authority_files", `${home} no longer contains the root that was just stored there`);
  return files;
}

/** The files of the mesh's own root in a directory: of the newest state of a rotation. */
async function readOwnFiles(directory: string): Promise<DirectoryFiles | undefined> {
  const own = await readOwnDirectory(directory);
  const files = own && readOwnAuthority(own.found);
  return files && { ...files, protection: "private", isKeyShared: false };
}

/** What a running authority follows: an operator's files, else the mesh's own root. */
export async function readDirectoryAuthority(directory: string): Promise<DirectoryFiles | undefined> {
  return (await readAuthorityFiles(directory, "mounted")) ?? (await readOwnFiles(directory));
}

function describeShared(files: DirectoryFiles): string {
  return (
    `every user in this pod may read ${files.locate("key")}: set "defaultMode: 0400" on the Secret's volume and the pod's ` +
    '"fsGroup: 1337"'
  );
}
