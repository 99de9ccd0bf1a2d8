import type { Clock, Random } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import { type ControlFile, readControlFile, storeControlFile } from "./control-files.ts";
import { type ControlState, EMPTY_CONTROL_STATE } from "./control-state.ts";
import { type ControlStore, UPDATE_ATTEMPTS } from "./control-store.ts";
import { formatControlDocument, laterDocument, parseControlDocument } from "./parse-control-state.ts";
import { withNextRevision } from "./state-revisions.ts";

export interface FileControlDeps {
  readonly clock: Pick<Clock, "now">;
  readonly random: Random;
}

/** The desired state in the certificate authority's directory, for a mesh without Kubernetes. */
export function createFileControlStore(directory: string, deps: FileControlDeps): ControlStore {
  return {
    read: async () => stateOf(await readControlFile(directory)),
    update: async (change) => {
      for (let attempt = 1; attempt <= UPDATE_ATTEMPTS; attempt += 1) {
        const found = await readControlFile(directory);
        const before = stateOf(found);
        const after = change(before);
        if (after === before) return before;
        if (before.laterVersion !== undefined) throw laterDocument(before.laterVersion);
        const next = withNextRevision(before, after, deps);
        if (await storeControlFile(directory, formatControlDocument(next), found?.generation ?? 0)) return next;
        // Of all who try at once one succeeds, so nobody has to wait.
      }
      throw new CaError(
        "control_conflict",
        `what is asked of the authority in ${directory} was changed by others at each of ${UPDATE_ATTEMPTS} attempts: try again`,
      );
    },
  };
}

/** The state in a file; the empty state if there is none. Throws a CaError `control_state` that names the file. */
export function stateOf(file: ControlFile | undefined): ControlState {
  if (file === undefined) return EMPTY_CONTROL_STATE;
  try {
    return parseControlDocument(file.text);
  } catch (caught) {
    if (!(caught instanceof CaError)) throw caught;
    throw new CaError("control_state", `${file.path}: ${caught.message.slice(caught.code.length + 2)}`, {
      cause: caught,
    });
  }
}
