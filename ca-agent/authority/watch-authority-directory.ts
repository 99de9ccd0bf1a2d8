import { hash } from "node:crypto";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Timer } from "../../mesh/runtime.ts";
import { WakeUp } from "../../net/wake-up.ts";
import { startWallTimer } from "../../net/wall-timer.ts";
import { CaError } from "../ca-error.ts";
import { type AdoptFilesDeps, adoptFiles, reportRefused } from "./adopt-files.ts";
import type { AuthorityFiles } from "./authority-files.ts";
import type { LiveAuthority } from "./live-authority.ts";
import { readDirectoryAuthority } from "./open-authority.ts";

/** Reading four small files costs nothing, and needs no watch that could miss the kubelet's swap of a link. */
const POLL_MS = 5000;

export interface AuthorityWatch {
  /** Does not wait for the next look: this process has written. */
  lookNow(): void;
  stop(): void;
}

/**
 * Follows the files of a directory, plugged in or the mesh's own root: changed ones come into force within seconds, without
 * a restart. Files that are removed change nothing while the authority runs.
 */
export function watchAuthorityDirectory(
  authority: LiveAuthority,
  directory: string,
  deps: AdoptFilesDeps,
): AuthorityWatch {
  const wakeUp = new WakeUp();
  const stop = new AbortController();
  let seen: string | undefined;
  let early: Timer | undefined;
  stop.signal.addEventListener("abort", () => early?.cancel(), { once: true });
  /** What is not valid yet is looked at again when it is. */
  const onEarly = (validFromMs: number): void => {
    early = startWallTimer(deps.clock, validFromMs, () => {
      seen = undefined;
      wakeUp.wake();
    });
  };
  const check = async (): Promise<void> => {
    const found = await readDirectoryAuthority(directory).catch((caught: unknown) => MeshError.from(caught));
    const version = describeVersion(found);
    const isNew = version !== seen;
    seen = version;
    if (!isNew) return;
    early?.cancel();
    if (found === undefined) reportRefused(authority, lostFiles(directory), deps);
    else if (found instanceof MeshError) reportRefused(authority, found, deps);
    else await adoptFiles(authority, found, { ...deps, onEarly });
  };
  const follow = async (): Promise<void> => {
    for (;;) {
      await wakeUp.wait(deps.clock, POLL_MS, stop.signal);
      if (stop.signal.aborted) return;
      await check().catch((caught: unknown) => reportRefused(authority, caught, deps));
    }
  };
  void follow();
  return { lookNow: () => wakeUp.wake(), stop: () => stop.abort() };
}

function lostFiles(directory: string): CaError {
  return new CaError(
    "authority_files",
    `${directory} contains no authority any more: no control plane can start; restore it from a backup`,
  );
}

function describeVersion(found: AuthorityFiles | MeshError | undefined): string {
  if (found === undefined) return "no files";
  if (found instanceof MeshError) return found.message;
  const { certificatePem, keyPem, rootsPem, chainPem, rotation } = found;
  return hash("sha256", JSON.stringify([certificatePem, keyPem, rootsPem, chainPem, rotation]));
}
