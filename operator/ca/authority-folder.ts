import { readdir } from "node:fs/promises";
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
  const isAuthority = names.some((name) => /^self-signed(?:\.\d+)?$/.test(name) || AUTHORITY_FILE_NAMES.includes(name));
  if (isAuthority) return;
  throw new OperatorError(
    "not_found",
    `${folder} contains no certificate authority: give the control plane's --ca-directory, after its first start`,
  );
}
