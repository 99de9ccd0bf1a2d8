import { IdentityError } from "./identity-error.ts";
import { parseSpiffeId, type SpiffeId } from "./spiffe-id.ts";

/** Whether a text is a workload's SPIFFE id, without an exception. */
export function isSpiffeId(text: string): text is SpiffeId {
  try {
    return parseSpiffeId(text) === text;
  } catch (caught) {
    if (caught instanceof IdentityError) return false;
    throw caught;
  }
}
