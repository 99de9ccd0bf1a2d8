import { pause } from "../../kubernetes/bounded-call.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { controlFileVersion, readControlFile } from "./control-files.ts";
import type { ControlFollower } from "./control-store.ts";
import { createFileControlStore, stateOf } from "./file-control-store.ts";
import {
  type FoundState,
  foundState,
  LiveControl,
  renumberChange,
  reportUnnumbered,
  restoreChange,
} from "./live-control.ts";
import { WriteBack } from "./write-back.ts";

export interface FollowFileControlOptions {
  /** Of the certificate authority. */
  readonly directory: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The mesh's own and its aliases. */
  readonly trustDomains: readonly TrustDomain[];
  /** Called with the reason while there is no valid state yet. */
  readonly onWaiting: (reason: string) => void;
  readonly signal: AbortSignal;
}

/** So that a revocation is in force within a second. To list a small directory costs nothing. */
const POLL_MS = 500;

/**
 * Follows the desired state in the authority's directory until the signal aborts. Resolves once there is a valid one, or
 * none at all; until then the control plane must not serve.
 */
export async function followFileControl(options: FollowFileControlOptions): Promise<ControlFollower> {
  const { directory, clock, signal } = options;
  const store = createFileControlStore(directory, options);
  const live = new LiveControl({
    ...options,
    renumber: async (edited) => void (await store.update(renumberChange(edited)).catch(reportUnnumbered(options))),
    writeBack: new WriteBack({
      ...options,
      write: () => store.update(restoreChange(live.current(), options)),
      onFailed: (caught) => live.reportUnstored(caught),
    }),
  });
  let seen: string | undefined;
  const check = async (): Promise<void> => {
    // Before the content: a file that changes in between is read again the next time.
    const version = await controlFileVersion(directory);
    if (version === seen) return;
    seen = version;
    const found = await find(directory, options.trustDomains);
    // A state that is not stored again yet is looked at again.
    if (!live.take(found)) seen = undefined;
  };
  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      await pause(clock, POLL_MS, signal).then(check);
    }
  };
  await check();
  void follow().catch(() => undefined);
  await live.opened(signal);
  return live;
}

async function find(directory: string, trustDomains: readonly TrustDomain[]): Promise<FoundState> {
  try {
    const file = await readControlFile(directory);
    return file === undefined ? { kind: "absent" } : foundState(stateOf(file), trustDomains);
  } catch (caught) {
    return { kind: "unreadable", error: MeshError.from(caught) };
  }
}
