import type { AuthorityStatus, RootStatus, RotationStatus } from "../../ca-agent/authority/authority-status.ts";
import type { ControlState, RotationRequest } from "../../ca-agent/control/control-state.ts";
import { isInForce } from "../../ca-agent/revocation/revocation-entries.ts";
import { type ConnectedProxy, connectedProxies } from "../proxies/connected-proxies.ts";
import { findAuthorityProblems } from "./authority-problems.ts";
import type { AuthorityReplica } from "./read-authority.ts";

/** The certificate authority of a mesh: its roots, who trusts them and holds certificates of them, and what is revoked. */
export interface AuthorityReport {
  readonly roots: readonly RootRow[];
  /** `null`: the root is the operator's own, or no control plane could be asked. */
  readonly rotation: RotationStatus | null;
  /** The last request to replace the root; absent: there never was one. */
  readonly request?: RotationRequest & { readonly isAnswered: boolean };
  /** The proxies that a rotation waits for, `POD.NAMESPACE`. */
  readonly unready: readonly string[];
  readonly proxies: ProxyCounts;
  readonly leaves: LeafCounts;
  readonly revocations: RevocationCounts;
  readonly controlPlanes: readonly ControlPlaneRow[];
  /** What needs attention, one sentence each. */
  readonly problems: readonly string[];
  /** What may be as it is, one sentence each. */
  readonly warnings: readonly string[];
}

export interface ControlPlaneRow {
  readonly pod: string;
  /** Why it could not be asked. */
  readonly error?: string;
  /** What is stored and not in force there, with the reason and the fix. */
  readonly refused?: readonly string[];
}

export interface RootRow extends RootStatus {
  /** Proxies that have acknowledged a trust bundle with it. */
  readonly trustedBy: number;
  /** Proxies whose certificate leads to it. */
  readonly leaves: number;
}

export interface ProxyCounts {
  readonly connected: number;
  /** That have acknowledged a trust bundle. */
  readonly withBundle: number;
}

/** The certificates of the connected proxies by the time that they have left. */
export interface LeafCounts {
  /** ISO 8601; absent: no proxy is connected. */
  readonly firstExpiry?: string;
  /** Each has less than so many hours left, and no less than the one before; the last has no limit. */
  readonly byHoursLeft: readonly { readonly lessThan: number | null; readonly count: number }[];
}

/** The entries in force. */
export interface RevocationCounts {
  readonly certificates: number;
  readonly identities: number;
  readonly pods: number;
  /** Certificates of the operator's revocation lists, `ca-crl.pem`. */
  readonly listed: number;
}

export interface AuthorityReportInput {
  readonly replicas: readonly AuthorityReplica[];
  readonly control: ControlState;
  /** Why what is asked of the authority cannot be read; then `control` is empty. */
  readonly controlFault?: string | undefined;
  readonly nowMs: number;
}

export function createAuthorityReport(input: AuthorityReportInput): AuthorityReport {
  const { replicas, control, controlFault, nowMs } = input;
  const authorities = readAuthorities(replicas);
  const proxies = connectedProxies(replicas);
  const rotation = authorities.find((authority) => authority.rotation !== null)?.rotation ?? null;
  const roots = countRoots(authorities, proxies);
  const revocations =
    controlFault === undefined ? countRevocations(control, authorities, nowMs) : countDistributed(authorities);
  const found = findAuthorityProblems({ replicas, proxies, revocations, nowMs });
  return {
    roots,
    rotation,
    ...(control.rotation && {
      request: { ...control.rotation, isAnswered: isAnswered(control.rotation, authorities) },
    }),
    unready: rotation === null ? [] : findUnready(rotation, roots, proxies),
    proxies: {
      connected: proxies.length,
      withBundle: proxies.filter(({ proxy }) => proxy.trustedRoots !== null).length,
    },
    leaves: countLeaves(proxies, nowMs),
    revocations,
    controlPlanes: replicas.map(describeReplica),
    problems: [
      // The control planes say the same, with what they do.
      ...(controlFault === undefined || found.some((problem) => problem.includes(controlFault)) ? [] : [controlFault]),
      ...found,
    ],
    warnings: [...new Set(authorities.flatMap((authority) => authority.warnings ?? []))],
  };
}

/** Of the control planes that could be asked. */
export function readAuthorities(replicas: readonly AuthorityReplica[]): readonly AuthorityStatus[] {
  return replicas.flatMap(({ authority }) => (authority.kind === "read" ? [authority] : []));
}

/** The mesh's own and its aliases. Empty if the control planes are of an earlier version. */
export function readTrustDomains(replicas: readonly AuthorityReplica[]): readonly string[] {
  return [...new Set(readAuthorities(replicas).flatMap(({ trustDomains }) => trustDomains ?? []))];
}

/** Whether a rotation answers the request, or has answered it. */
export function isAnswered({ requestId }: RotationRequest, authorities: readonly AuthorityStatus[]): boolean {
  return authorities.some(({ rotation }) => rotation?.requestId === requestId);
}

/** Replicas follow one state, but not at the same instant: a root is listed if one of them has it. */
function countRoots(authorities: readonly AuthorityStatus[], proxies: readonly ConnectedProxy[]): readonly RootRow[] {
  const roots = new Map<string, RootStatus>();
  for (const { roots: some } of authorities) {
    for (const root of some) {
      const known = roots.get(root.fingerprint);
      roots.set(root.fingerprint, { ...root, isSigning: root.isSigning || known?.isSigning === true });
    }
  }
  return [...roots.values()].map((root) => ({
    ...root,
    trustedBy: proxies.filter(({ proxy }) => proxy.trustedRoots?.includes(root.fingerprint) === true).length,
    leaves: proxies.filter(({ proxy }) => proxy.certificate?.rootFingerprint === root.fingerprint).length,
  }));
}

const HOUR_MS = 3_600_000;
const HOURS: readonly (number | null)[] = [1, 6, 12, 24, null];

function countLeaves(proxies: readonly ConnectedProxy[], nowMs: number): LeafCounts {
  const ends = proxies.flatMap(({ proxy }) => (proxy.certificate === undefined ? [] : [proxy.certificate.notAfter]));
  const hours = ends.map((notAfter) => (Date.parse(notAfter) - nowMs) / HOUR_MS);
  const bucketOf = (left: number): number | null => HOURS.find((hour) => hour === null || left < hour) ?? null;
  const [firstExpiry] = ends.toSorted();
  return {
    ...(firstExpiry !== undefined && { firstExpiry }),
    byHoursLeft: HOURS.map((lessThan) => ({
      lessThan,
      count: hours.filter((left) => bucketOf(left) === lessThan).length,
    })),
  };
}

function countRevocations(
  { revocations }: ControlState,
  authorities: readonly AuthorityStatus[],
  nowMs: number,
): RevocationCounts {
  const targets = revocations.filter((revocation) => isInForce(revocation, nowMs)).map(({ what }) => what);
  const certificates = targets.filter(({ kind }) => kind === "serial").length;
  const distributed = Math.max(0, ...authorities.map(({ revoked }) => revoked.certificates));
  return {
    certificates,
    identities: targets.filter(({ kind }) => kind === "identity").length,
    pods: targets.filter(({ kind }) => kind === "pod").length,
    listed: Math.max(0, distributed - certificates),
  };
}

/** Where it cannot be read what is stored: which of the certificates are listed is not known. */
function countDistributed(authorities: readonly AuthorityStatus[]): RevocationCounts {
  const most = (count: (revoked: AuthorityStatus["revoked"]) => number): number =>
    Math.max(0, ...authorities.map(({ revoked }) => count(revoked)));
  return {
    certificates: most(({ certificates }) => certificates),
    identities: most(({ identities }) => identities),
    pods: most(({ pods }) => pods ?? 0),
    listed: 0,
  };
}

function describeReplica({ pod, page, authority }: AuthorityReplica): AuthorityReport["controlPlanes"][number] {
  const failed = [page, authority].find(({ kind }) => kind === "failed");
  const refused = authority.kind === "read" ? (authority.refused ?? []) : [];
  return { pod, ...(failed?.kind === "failed" && { error: failed.reason }), ...(refused.length > 0 && { refused }) };
}

/** In `published` all must trust the root that does not sign yet; then all need a certificate of the one that signs. */
function findUnready(
  { phase }: RotationStatus,
  roots: readonly RootRow[],
  proxies: readonly ConnectedProxy[],
): readonly string[] {
  const idle = roots.filter(({ isSigning }) => !isSigning).map(({ fingerprint }) => fingerprint);
  const signing = roots.filter(({ isSigning }) => isSigning).map(({ fingerprint }) => fingerprint);
  const isReady = ({ proxy: { trustedRoots, certificate } }: ConnectedProxy): boolean => {
    if (phase === "published") return idle.every((root) => trustedRoots?.includes(root) === true);
    return signing.some((root) => trustedRoots?.includes(root) === true && certificate?.rootFingerprint === root);
  };
  const unready = phase === "steady" ? [] : proxies.filter((one) => !isReady(one));
  return unready.map(({ proxy }) => `${proxy.pod}.${proxy.namespace}`).toSorted();
}
