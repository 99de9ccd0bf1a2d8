import { hash } from "node:crypto";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Timer } from "../../mesh/runtime.ts";
import { type AdoptFilesDeps, adoptFiles, reportRefused } from "./adopt-files.ts";
import type { AuthorityFiles } from "./authority-files.ts";
import type { LiveAuthority } from "./live-authority.ts";
import { readDirectoryAuthority } from "./open-authority.ts";

/** Reading four small files costs nothing, and needs no watch that could miss the kubelet's swap of a link. */
const POLL_MS = 5000;

/**
 * Follows the files of a directory, plugged in or the mesh's own root: changed ones come into force within seconds, without a restart. Files that
 * are removed change nothing while the authority runs. Returns a function that stops it.
 */
export function watchAuthorityDirectory(authority: LiveAuthority, directory: string, deps: AdoptFilesDeps): () => void {
  let timer: Timer | undefined;
  let isStopped = false;
  let seen: string | undefined;
  const check = async (): Promise<void> => {
    const found = await readDirectoryAuthority(directory).catch((caught: unknown) => MeshError.from(caught));
    const version = describeVersion(found);
    const isNew = version !== seen;
    seen = version;
    if (!isNew || found === undefined) return;
    if (found instanceof MeshError) reportRefused(found, deps);
    else await adoptFiles(authority, found, deps);
  };
  const wait = (): void => {
    if (isStopped) return;
    const onFault = (caught: unknown): void => reportRefused(caught, deps);
    timer = deps.clock.setTimeout(() => void check().catch(onFault).then(wait), POLL_MS);
  };
  wait();
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}

function describeVersion(found: AuthorityFiles | MeshError | undefined): string {
  if (found === undefined) return "no files";
  if (found instanceof MeshError) return found.message;
  const { certificatePem, keyPem, rootsPem, chainPem, rotation } = found;
  return hash("sha256", JSON.stringify([certificatePem, keyPem, rootsPem, chainPem, rotation]));
}
