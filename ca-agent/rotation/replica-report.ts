import type { RotationEvidence, RotationState, SidecarCounts } from "./rotation-state.ts";

/** What one control plane says of itself, and of the sidecars that are connected to it. */
export interface ReplicaReport {
  /** Of the stored state that it has in force. */
  readonly revision: number;
  /** How long ago it started to accept sidecars. Durations, because the clocks of two machines differ. */
  readonly countingForMs: number;
  /** Until all leaves have expired that it has signed with another root than the present one; 0: there are none. */
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
  const { connected, trusting, holding, rejecting } = sidecars;
  const countingForMs = Math.floor(durations.countingForMs);
  const otherLeavesForMs = Math.ceil(durations.otherLeavesForMs);
  const counts = { connected, rejecting, trusting: Object.fromEntries(trusting), holding: Object.fromEntries(holding) };
  return JSON.stringify({ revision, countingForMs, otherLeavesForMs, ...counts });
}

/** Undefined: it is not a report of this form. Nothing is guessed, because a wrong count could end a phase early. */
export function parseReplicaReport(text: string | undefined): ReplicaReport | undefined {
  if (text === undefined || text.length > MAX_CHARACTERS) return undefined;
  const fields = parseObject(text);
  const [revision, countingForMs] = [readCount(fields["revision"]), readCount(fields["countingForMs"])];
  const otherLeavesForMs = readCount(fields["otherLeavesForMs"]);
  const [connected, rejecting] = [readCount(fields["connected"]), readCount(fields["rejecting"])];
  const [trusting, holding] = [readCounts(fields["trusting"]), readCounts(fields["holding"])];
  if (revision === undefined || countingForMs === undefined || otherLeavesForMs === undefined) return undefined;
  if (connected === undefined || rejecting === undefined) return undefined;
  if (trusting === undefined || holding === undefined) return undefined;
  return { revision, countingForMs, otherLeavesForMs, sidecars: { connected, rejecting, trusting, holding } };
}

/** The reports of all control planes as evidence. */
export function combineReplicas(
  replicas: readonly Replica[],
  state: Pick<RotationState, "revision">,
  nowMs: number,
): Pick<RotationEvidence, "sidecars" | "replicas" | "completeSinceMs"> {
  const reports = replicas.flatMap((one) => (one.kind === "live" ? [one.report] : []));
  const lost = replicas.filter(({ kind }) => kind === "lost").length;
  const following = reports.filter(({ revision }) => revision === state.revision).length;
  const otherLeavesForMs = Math.max(0, ...reports.map((report) => report.otherLeavesForMs));
  const otherLeavesUntilMs = otherLeavesForMs === 0 ? 0 : nowMs + otherLeavesForMs;
  return {
    sidecars: addCounts(reports.map(({ sidecars }) => sidecars)),
    replicas: { live: replicas.length - lost, following, lost, otherLeavesUntilMs },
    completeSinceMs: nowMs - Math.min(...reports.map(({ countingForMs }) => countingForMs)),
  };
}

/** The sum of the counts of several control planes. */
function addCounts(counts: readonly SidecarCounts[]): SidecarCounts {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    connected: sum(counts.map(({ connected }) => connected)),
    rejecting: sum(counts.map(({ rejecting }) => rejecting)),
    trusting: addByRoot(counts.map(({ trusting }) => trusting)),
    holding: addByRoot(counts.map(({ holding }) => holding)),
  };
}

function addByRoot(maps: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>();
  for (const [root, count] of maps.flatMap((one) => [...one])) total.set(root, (total.get(root) ?? 0) + count);
  return total;
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function readCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function readCounts(value: unknown): ReadonlyMap<string, number> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  const counts = entries.flatMap(([root, one]): readonly [string, number][] => {
    const count = FINGERPRINT.test(root) ? readCount(one) : undefined;
    return count === undefined ? [] : [[root, count]];
  });
  return counts.length === entries.length && counts.length <= MAX_ROOTS ? new Map(counts) : undefined;
}
