import { findRejectedRoots } from "./rejected-roots.ts";
import type {
  RejectionCounts,
  RotationEvidence,
  RotationState,
  SidecarCounts,
  SidecarTotals,
  TenantCounts,
} from "./rotation-state.ts";

/** What one control plane says of itself, and of the sidecars that are connected to it. */
export interface ReplicaReport {
  /** Of the stored state that it has in force. */
  readonly revision: number;
  /** How long ago it started to accept sidecars. Durations, because the clocks of two machines differ. */
  readonly countingForMs: number;
  /** Until all leaves have certainly expired that it has signed with another root than the present one; 0: they have. */
  readonly otherLeavesForMs: number;
  readonly sidecars: SidecarCounts;
}

/** What is known of a control plane. */
export type Replica =
  | { readonly kind: "live"; readonly report: ReplicaReport }
  /** It lives, but what it says cannot be read: it is of another version. */
  | { readonly kind: "unreadable" }
  /** It has fallen silent, and may still run. */
  | { readonly kind: "lost" };

/** Bundles have 64 roots at most, and two bundles may be in use. */
const MAX_ROOTS = 128;
const MAX_CHARACTERS = 32_768;
const FINGERPRINT = /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/;

/** As JSON, for an annotation. */
export function formatReplicaReport({ revision, sidecars, ...durations }: ReplicaReport): string {
  const { connected, tenants, trusting, holding, rejecting } = sidecars;
  const countingForMs = Math.floor(durations.countingForMs);
  const otherLeavesForMs = Math.ceil(durations.otherLeavesForMs);
  const byRoot = {
    trusting: Object.fromEntries(trusting),
    holding: Object.fromEntries(holding),
    rejecting: Object.fromEntries(rejecting),
  };
  return JSON.stringify({ revision, countingForMs, otherLeavesForMs, connected, tenants, ...byRoot });
}

/** Undefined: it is not a report of this form. Nothing is guessed, because a wrong count could end a phase early. */
export function parseReplicaReport(text: string | undefined): ReplicaReport | undefined {
  if (text === undefined || text.length > MAX_CHARACTERS) return undefined;
  const fields = readObject(parseJson(text)) ?? {};
  const [revision, countingForMs] = [readCount(fields["revision"]), readCount(fields["countingForMs"])];
  const otherLeavesForMs = readCount(fields["otherLeavesForMs"]);
  const sidecars = readSidecars(fields);
  if (revision === undefined || countingForMs === undefined || otherLeavesForMs === undefined) return undefined;
  return sidecars && { revision, countingForMs, otherLeavesForMs, sidecars };
}

/** The reports of all control planes as evidence. */
export function combineReplicas(
  replicas: readonly Replica[],
  state: Pick<RotationState, "revision">,
): Pick<RotationEvidence, "sidecars" | "rejectedRoots" | "replicas" | "completeForMs"> {
  const reports = replicas.flatMap((one) => (one.kind === "live" ? [one.report] : []));
  const isUnderstood = replicas.every(({ kind }) => kind !== "unreadable");
  const lost = replicas.filter(({ kind }) => kind === "lost").length;
  const following = reports.filter(({ revision }) => revision === state.revision).length;
  const otherLeavesForMs = Math.max(0, ...reports.map((report) => report.otherLeavesForMs));
  return {
    sidecars: addCounts(reports.map(({ sidecars }) => sidecars)),
    // What the sidecars of another version's control plane accept is not known.
    rejectedRoots: findRejectedRoots(isUnderstood ? reports.map(({ sidecars }) => sidecars) : []),
    replicas: { live: replicas.length - lost, following, lost, otherLeavesForMs },
    completeForMs: Math.min(...reports.map(({ countingForMs }) => countingForMs)),
  };
}

/** The sum of the counts of several control planes. */
function addCounts(counts: readonly SidecarCounts[]): SidecarTotals {
  const sidecarsOf = ({ rejecting }: SidecarCounts): ReadonlyMap<string, number> =>
    new Map([...rejecting].map(([root, { sidecars }]) => [root, sidecars]));
  return {
    connected: counts.reduce((total, { connected }) => total + connected, 0),
    trusting: addByRoot(counts.map(({ trusting }) => trusting)),
    holding: addByRoot(counts.map(({ holding }) => holding)),
    rejecting: addByRoot(counts.map(sidecarsOf)),
  };
}

function addByRoot(maps: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>();
  for (const [root, count] of maps.flatMap((one) => [...one])) total.set(root, (total.get(root) ?? 0) + count);
  return total;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

function readSidecars(fields: Readonly<Record<string, unknown>>): SidecarCounts | undefined {
  const connected = readCount(fields["connected"]);
  const tenants = readTenants(fields["tenants"]);
  const [trusting, holding] = [readByRoot(fields["trusting"], readCount), readByRoot(fields["holding"], readCount)];
  const rejecting = readByRoot(fields["rejecting"], readRejections);
  if (connected === undefined || tenants === undefined) return undefined;
  if (trusting === undefined || holding === undefined || rejecting === undefined) return undefined;
  return { connected, tenants, trusting, holding, rejecting };
}

function readTenants(value: unknown): TenantCounts | undefined {
  const fields = readObject(value);
  const [identities, namespaces] = [readCount(fields?.["identities"]), readCount(fields?.["namespaces"])];
  return identities === undefined || namespaces === undefined ? undefined : { identities, namespaces };
}

function readRejections(value: unknown): RejectionCounts | undefined {
  const [sidecars, tenants] = [readCount(readObject(value)?.["sidecars"]), readTenants(value)];
  return sidecars === undefined || tenants === undefined ? undefined : { sidecars, ...tenants };
}

function readCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function readByRoot<Value>(
  value: unknown,
  read: (value: unknown) => Value | undefined,
): ReadonlyMap<string, Value> | undefined {
  const entries = Object.entries(readObject(value) ?? { "": "not an object" });
  const counts = entries.flatMap(([root, one]): readonly [string, Value][] => {
    const count = FINGERPRINT.test(root) ? read(one) : undefined;
    return count === undefined ? [] : [[root, count]];
  });
  return counts.length === entries.length && counts.length <= MAX_ROOTS ? new Map(counts) : undefined;
}
