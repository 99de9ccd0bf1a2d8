import { CaError } from "../../ca-error.ts";
import { describeLater } from "../../control/document-version.ts";
import type { RotationState } from "../rotation-state.ts";

/** Where the mesh's authority is stored. Several control planes use it at once. */
export interface AuthorityStore {
  read(): Promise<StoredAuthority>;
  /**
   * Replaces a state by one with a higher revision, the next or, after a restored backup, a later one, if nothing else was stored
   * in between. After an error
   * it is unknown which of the two is stored; never half of one. Rejects with `authority_version` if a later version of this
   * program has stored the present one.
   */
  swap(expected: StoredRoot, next: RotationState): Promise<"stored" | "conflict">;
}

export type StoredAuthority =
  | StoredRoot
  /** The operator's own, or one that is not a root: its owner replaces it. `from` is the Secret or directory. */
  | { readonly kind: "plugged_in"; readonly from: string }
  | { readonly kind: "absent" };

/** A root that the control planes replace themselves. */
export interface StoredRoot {
  readonly kind: "root";
  readonly state: RotationState;
  /** Differs for every stored content. */
  readonly version: string;
  /** Set: a later version of this program has stored it, of whose content this one knows a part. It is never overwritten. */
  readonly laterVersion?: number;
}

/** Throws a CaError `authority_version` if what would be replaced was stored by a later version. */
export function requireOwnVersion({ laterVersion }: StoredRoot, from: string): void {
  if (laterVersion === undefined) return;
  throw new CaError(
    "authority_version",
    `the rotation of ${from} is not changed: ${describeLater("rotation", laterVersion)}`,
  );
}
