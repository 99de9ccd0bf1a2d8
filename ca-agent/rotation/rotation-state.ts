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
  /** Since when both are trusted, in epoch milliseconds. */
  readonly sinceMs: number;
}

/** Both roots are trusted, the new one signs; it is `current`. */
export interface SigningState extends StateBase {
  readonly kind: "signing";
  readonly previous: RootPair;
  /** The new root, certified by the previous one: sent with leaves, for clients that know only the previous root. PEM. */
  readonly crossSignedPem: string;
  readonly cause: RotationCause;
  /** Since when the new one signs, in epoch milliseconds. */
  readonly sinceMs: number;
  /** No leaf of the previous root is valid any more after this, in epoch milliseconds. */
  readonly leavesUntilMs: number;
}

/** The use of the new root was rolled back: the old one signs again, and both are trusted until the new one's leaves end. */
export interface WithdrawingState extends StateBase {
  readonly kind: "withdrawing";
  /** The root that leaves, PEM. Its key is forgotten: it never signs again. */
  readonly leavingPem: string;
  readonly cause: RotationCause;
  /** Why it was rolled back. */
  readonly reason: string;
  /** Since when the old one signs again, in epoch milliseconds. */
  readonly sinceMs: number;
  /** No leaf of the leaving root is valid any more after this, in epoch milliseconds. */
  readonly leavesUntilMs: number;
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
  /** The root that has left the bundle, as `X509Certificate.fingerprint256`. */
  readonly dropped: string;
}

/** What an operator has asked for. Each request has its own id, so that it is answered once. */
export interface RotationRequest {
  readonly kind: "rotate" | "roll_back";
  readonly requestId: string;
}

/** What the control planes see of the mesh. */
export interface RotationEvidence {
  readonly request: RotationRequest | undefined;
  readonly sidecars: SidecarCounts;
  readonly replicas: ReplicaCounts;
  /**
   * Since when the counts are complete, in epoch milliseconds: the last start of a control plane that counts. Sidecars need
   * some seconds to connect again.
   */
  readonly completeSinceMs: number;
  /** Why the new root cannot be used, as the leader's own check found it. */
  readonly fault: string | undefined;
}

/** Connected sidecars and gateways, of all control planes. Roots are named by `X509Certificate.fingerprint256`. */
export interface SidecarCounts {
  readonly connected: number;
  /** By root: how many have acknowledged a trust bundle that contains it. */
  readonly trusting: ReadonlyMap<string, number>;
  /** By root: how many have a certificate that leads to it. */
  readonly holding: ReadonlyMap<string, number>;
  /** How many have rejected the last trust bundle or certificate. */
  readonly rejecting: number;
}

export interface ReplicaCounts {
  /** Control planes with a valid Lease. */
  readonly live: number;
  /** Those of them that have the stored state in force. */
  readonly following: number;
  /** Control planes that may still run and sign, though their Lease has expired. */
  readonly lost: number;
}

/** All in milliseconds. */
export interface RotationLimits {
  /** The least time for which a root is published before it signs: mounted ConfigMaps take up to 90 s. @default 180,000 */
  readonly publishMs: number;
  /** Sidecars that have not acknowledged the new root are waited for so long. @default a day */
  readonly publishLimitMs: number;
  /** The longest lifetime of a leaf that any control plane grants. */
  readonly longestLeafMs: number;
  /** By so much clocks may differ when the end of the last leaf is computed. @default two hours and four minutes */
  readonly clockErrorMs: number;
  /** After the last old leaf, sidecars without a new one are waited for so long. @default a week */
  readonly retireLimitMs: number;
  /** Counts must be complete for so long, because sidecars reconnect after a control plane's restart. @default 90,000 */
  readonly settleMs: number;
  /** After a rotation by age was rolled back, the next one starts so much later. @default a day */
  readonly retryMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The limits for a mesh whose leaves live so long at most. */
export function createRotationLimits(longestLeafMs: number, changed: Partial<RotationLimits> = {}): RotationLimits {
  return {
    publishMs: 180_000,
    publishLimitMs: DAY_MS,
    longestLeafMs,
    // Two clocks, each wrong by an hour and Istio's two minutes.
    clockErrorMs: 2 * (HOUR_MS + 120_000),
    retireLimitMs: 7 * DAY_MS,
    settleMs: 90_000,
    retryMs: DAY_MS,
    ...changed,
  };
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
