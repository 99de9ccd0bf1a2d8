import { readdir } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { AUTHORITY_FILE_NAMES } from "../../ca-agent/authority/authority-files.ts";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { OperatorError } from "../operator-error.ts";

/**
 * Checks that a folder contains a certificate authority. In any other one a revocation would be stored, and nobody would
 * ever read it.
 */
export async function checkAuthorityFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch((cause: unknown) => {
    if (!(cause instanceof Error)) throw cause;
    const fix =
      errnoOf(cause) === "EACCES" ? "run as its owner, or as root" : "give the control plane's --ca-directory";
    throw new OperatorError("not_found", `${folder} cannot be read (${errnoOf(cause)}): ${fix}`, { cause });
  });
  const path = resolve(folder);
  const hasOwnRoot = names.some(isOwnRoot);
  // What is stored there is neither read nor kept by the next step of a rotation.
  if (isOwnRoot(basename(path)) && !hasOwnRoot) {
    throw new OperatorError(
      "not_found",
      `${folder} is the root that a control plane has created for itself, within its directory: give ${dirname(path)}`,
    );
  }
  if (hasOwnRoot || names.some((name) => AUTHORITY_FILE_NAMES.includes(name))) return;
  throw new OperatorError(
    "not_found",
    `${folder} contains no certificate authority: give the control plane's --ca-directory, after its first start`,
  );
}

function isOwnRoot(name: string): boolean {
  return /^self-signed(?:\.\d+)?$/.test(name);
}
