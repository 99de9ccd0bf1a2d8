import { X509Certificate } from "node:crypto";
import type { RootPair } from "../authority/self-signed-root.ts";

/**
 * Where the replacement of the mesh's own root stands. It is stored with the root, in the Secret or the directory, so that
 * a crash at any moment loses nothing and all control planes agree. The slots are SPIRE's: current signs, next is already
 * trusted and will sign, previous is still trusted because its leaves are still valid.
 */
export type RotationState = SteadyState | PublishedState | SigningState | WithdrawingState;

interface StateBase {
  /** Signs. */
  readonly current: RootPair;
  /** Trusted roots that sign nothing, as an operator has added them. PEM, one each. */
  readonly others: readonly string[];
  /** Grows by one with each write: what has a lower one is older, such as a restored backup. 0: never rotated. */
  readonly revision: number;
  /** The operator's request that was answered last, or is being answered. */
  readonly requestId: string | undefined;
  /**
   * Roots that have left the bundle when a rotation ended, the newest first, as `X509Certificate.fingerprint256`: none of their
   * leaves is valid any more. Who was cut off during several rotations finds its root here.
   */
  readonly dropped: readonly string[];
}

/** One root is trusted and signs. */
export interface SteadyState extends StateBase {
  readonly kind: "steady";
  readonly last: EndedRotation | undefined;
}

/** Both roots are trusted, the old one signs. The next one has never signed. */
export interface PublishedState extends StateBase {
  readonly kind: "published";
  readonly next: RootPair;
  readonly cause: RotationCause;
  /** Since when both are trusted, in epoch milliseconds: for people. */
  readonly sinceMs: number;
  /** How long that was when the state was stored, at least: `PhaseClock`. */
  readonly countedMs: number;
}

/** Both roots are trusted, the new one signs; it is `current`. */
export interface SigningState extends StateBase {
  readonly kind: "signing";
  readonly previous: RootPair;
  /**
   * The new root, certified by the previous one: sent with leaves, for clients that know only the previous root. PEM.
   * Undefined: the previous root may not certify another authority (path length).
   */
  readonly crossSignedPem: string | undefined;
  readonly cause: RotationCause;
  /** Since when the new one signs, in epoch milliseconds: for people. */
  readonly sinceMs: number;
  /** How long that was when the state was stored, at least: `PhaseClock`. */
  readonly countedMs: number;
  /** Whether all control planes had this state in force at some time: since then none signs with the previous root. */
  readonly isFollowed: boolean;
  /** When the phase has lasted so long, no leaf of the previous root that was signed until then is valid any more. */
  readonly leavesEndMs: number;
}

/** The use of the new root was rolled back: the old one signs again, and both are trusted until the new one's leaves end. */
export interface WithdrawingState extends StateBase {
  readonly kind: "withdrawing";
  /** The root that leaves, PEM. Its key is forgotten: it never signs again. */
  readonly leavingPem: string;
  readonly cause: RotationCause;
  /** Why it was rolled back. */
  readonly reason: string;
  /** Since when the old one signs again, in epoch milliseconds: for people. */
  readonly sinceMs: number;
  /** How long that was when the state was stored, at least: `PhaseClock`. */
  readonly countedMs: number;
  /** Whether all control planes had this state in force at some time: since then none signs with the leaving root. */
  readonly isFollowed: boolean;
  /** When the phase has lasted so long, no leaf of the leaving root that was signed until then is valid any more. */
  readonly leavesEndMs: number;
}

export type RotationCause = "request" | "age";

/** How the last rotation ended. */
export interface EndedRotation {
  readonly cause: RotationCause;
  readonly outcome: "completed" | "rolled_back";
  /** Why it was rolled back; empty if it was completed. */
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** What an operator has asked for. Each request has its own id, so that it is answered once. */
export interface RotationRequest {
  readonly kind: "rotate" | "roll_back";
  readonly requestId: string;
}

/** What the control planes see of the mesh. */
export interface RotationEvidence {
  readonly request: RotationRequest | undefined;
  readonly sidecars: SidecarTotals;
  /** Roots that nearly all sidecars reject, at every control plane: `findRejectedRoots`. */
  readonly rejectedRoots: ReadonlySet<string>;
  readonly replicas: ReplicaCounts;
  /** How long the counts are complete: since the last start of a control plane. Sidecars need seconds to connect again. */
  readonly completeForMs: number;
  /** Why the new root cannot be used, as the leader's own check found it. */
  readonly fault: string | undefined;
}

/** Connected sidecars and gateways, of all control planes. Roots are named by `X509Certificate.fingerprint256`. */
export interface SidecarTotals {
  readonly connected: number;
  /** By root: how many have acknowledged a trust bundle that contains it. */
  readonly trusting: ReadonlyMap<string, number>;
  /** By root: how many have a certificate that leads to it. */
  readonly holding: ReadonlyMap<string, number>;
  /** By root: how many do not accept a trust bundle because of it. */
  readonly rejecting: ReadonlyMap<string, number>;
}

/** The sidecars of one control plane, and how many tenants they belong to. All of it follows from verified certificates. */
export interface SidecarCounts extends Omit<SidecarTotals, "rejecting"> {
  readonly tenants: TenantCounts;
  /** By root: the sidecars that do not accept a trust bundle because of it; the tenants of which nearly all do not. */
  readonly rejecting: ReadonlyMap<string, RejectionCounts>;
}

/** Service accounts and namespaces: a tenant may have any number of pods, and in its namespaces any number of accounts. */
export interface TenantCounts {
  readonly identities: number;
  readonly namespaces: number;
}

export interface RejectionCounts extends TenantCounts {
  readonly sidecars: number;
}

export interface ReplicaCounts {
  /** Control planes with a valid Lease. */
  readonly live: number;
  /** Those of them that have the stored state in force. */
  readonly following: number;
  /** Control planes that may still run and sign, though their Lease has expired. */
  readonly lost: number;
  /**
   * Until all leaves have certainly expired that the live ones have signed with another root than the present one; 0: they
   * have. One that was cut off and has followed late shows so what it has signed meanwhile.
   */
  readonly otherLeavesForMs: number;
}

/** The trusted roots, PEM: the one that signs first. */
export function trustedRoots(state: RotationState): readonly string[] {
  return [...rotatingRoots(state), ...state.others];
}

/** The trusted roots that sign or have signed or will: the one that signs first. PEM. */
function rotatingRoots(state: RotationState): readonly string[] {
  const current = state.current.certificatePem;
  switch (state.kind) {
    case "steady":
      return [current];
    case "published":
      return [current, state.next.certificatePem];
    case "signing":
      return [current, state.previous.certificatePem];
    case "withdrawing":
      return [current, state.leavingPem];
  }
}

/** The roots, PEM, of which leaves may be valid: they must stay trusted. The one that signs first. */
export function leavesOf(state: RotationState): readonly string[] {
  return state.kind === "published" ? [state.current.certificatePem] : rotatingRoots(state);
}

/** SHA-256 of a certificate, as `X509Certificate.fingerprint256`. */
export function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256;
}
