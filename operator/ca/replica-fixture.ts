/** For tests: control planes as `entente ca` sees them. */
import type { AuthorityStatus, RotationStatus } from "../../ca-agent/authority/authority-status.ts";
import type { SyncedProxy } from "../proxies/sync-page.ts";
import type { AuthorityReplica } from "./read-authority.ts";

export const NOW_MS = Date.parse("2026-01-01T12:00:00Z");
const HOUR_MS = 3_600_000;

/** A time, in hours from now. */
export function at(hours: number): string {
  return new Date(NOW_MS + hours * HOUR_MS).toISOString();
}

/** Fingerprints. */
export const OLD = "0A:0B:0C";
export const NEW = "F0:F1:F2";

export const STEADY: RotationStatus = {
  phase: "steady",
  since: null,
  waiting: null,
  until: null,
  requestId: null,
  rolledBack: null,
};

export function authority(changes: Partial<AuthorityStatus> & { readonly signing?: string } = {}): AuthorityStatus {
  const { signing = OLD, ...others } = changes;
  const root = (fingerprint: string) => ({
    fingerprint,
    serialNumber: fingerprint === OLD ? "A0" : "B0",
    notBefore: at(-24),
    notAfter: at(24 * 365),
    isSigning: fingerprint === signing,
  });
  return { roots: [root(OLD)], rotation: STEADY, revoked: { certificates: 0, identities: 0 }, ...others };
}

/** Two roots are trusted, one of them signs. */
export function rotating(phase: "published" | "signing", changes: Partial<RotationStatus> = {}): AuthorityStatus {
  const signing = phase === "published" ? OLD : NEW;
  const { roots } = authority({ signing });
  const [root] = roots;
  const second =
    root === undefined ? [] : [{ ...root, fingerprint: NEW, serialNumber: "B0", isSigning: signing === NEW }];
  return authority({ roots: [...roots, ...second], rotation: { ...STEADY, phase, since: at(-0.05), ...changes } });
}

/** A proxy that is connected for an hour, trusts the old root and holds a certificate of it. */
export function proxy(pod: string, changes: Partial<SyncedProxy> = {}): SyncedProxy {
  return {
    namespace: "ns1",
    pod,
    identity: `spiffe://cluster.local/ns/ns1/sa/${pod}`,
    address: "10.0.0.1",
    version: "0.1.0",
    isPodKnown: true,
    connectedSince: at(-1),
    lastSent: at(-1),
    lastAcknowledged: at(-1),
    resources: [],
    rejections: [],
    certificate: { serialNumber: "1A2B", notAfter: at(11), rootFingerprint: OLD },
    trustedRoots: [OLD],
    ...changes,
  };
}

/** A control plane that sends both pages. */
export function replica(
  pod: string,
  status: AuthorityStatus = authority(),
  proxies: readonly SyncedProxy[] = [],
): AuthorityReplica {
  return {
    pod: `${pod}.istio-system`,
    page: { kind: "read", version: "0.1.0", proxies: [...proxies], awaitingRestart: [] },
    authority: { kind: "read", ...status },
  };
}

/** A control plane that does not respond. */
export function silentReplica(pod: string, reason = "connection refused"): AuthorityReplica {
  return { pod: `${pod}.istio-system`, page: { kind: "failed", reason }, authority: { kind: "failed", reason } };
}
