import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";

/** What an operator asks of the certificate authority: one desired state, which every control plane follows. */
export interface ControlState {
  /** At most `MAX_REVOCATIONS`. Entries that have expired are without effect, and go within two hours. */
  readonly revocations: readonly Revocation[];
  /** The last request to replace the self-signed root. */
  readonly rotation: RotationRequest | undefined;
  /**
   * The revision of this state, and those of the states that it was made of, the newest first and none left out between the
   * first and the last. A state without them was written by people or by an earlier version. Those of a state that was never
   * stored are `[0]`.
   */
  readonly revisions?: readonly number[];
  /** Set: what is stored has this later version. It is followed, and never overwritten. */
  readonly laterVersion?: number;
}

/** Something that must no longer be accepted, although its certificates are valid. */
export interface Revocation {
  readonly what: RevocationTarget;
  /** ISO 8601, UTC. */
  readonly revokedAt: string;
  /** ISO 8601, UTC: when the entry is no longer needed. Absent: it is in force until it is lifted. */
  readonly expiresAt?: string;
  /** For people; one line. */
  readonly reason?: string;
}

export type RevocationTarget =
  /** One certificate. Its pod receives another one with its token. */
  | {
      readonly kind: "serial";
      /** Hexadecimal, upper case, without leading zeros. */
      readonly serialNumber: string;
    }
  /** All certificates of an identity, and its tokens. */
  | { readonly kind: "identity"; readonly identity: SpiffeId }
  /**
   * A pod: its token, and all of its certificates. Without a uid every pod of this name, also later ones: in Kubernetes
   * only earlier versions have stored that.
   */
  | { readonly kind: "pod"; readonly namespace: string; readonly name: string; readonly uid?: string };

export interface RotationRequest {
  /** To another root, or back to the one before. @default "rotate" */
  readonly kind?: "rotate" | "roll_back";
  /** Two requests with the same id are one. */
  readonly requestId: string;
  /** ISO 8601, UTC. */
  readonly requestedAt: string;
}

/** Nothing is asked, and never was. */
export const EMPTY_CONTROL_STATE: ControlState = { revocations: [], rotation: undefined, revisions: [0] };

/** All of them are sent to every proxy. */
export const MAX_REVOCATIONS = 10_000;
