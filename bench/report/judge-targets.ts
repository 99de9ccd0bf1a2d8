import type { PathName } from "../paths/path.ts";
import { pairedRatio } from "./paired-ratio.ts";
import type { Summary } from "./summarize.ts";

/** A figure that the project wants to reach, as it came out in this run. */
export interface JudgedTarget {
  readonly title: string;
  readonly value: number;
  readonly limit: number;
  readonly isMet: boolean;
  /** How many rounds the value is the median of. */
  readonly rounds: number;
}

/** Finds what was measured; `undefined`: it was not. */
type Find = (workload: string, path: PathName) => Summary | undefined;

interface Target {
  readonly title: string;
  readonly limit: number;
  readonly workload: string;
  /** NaN: what it needs was not measured. */
  readonly value: (find: Find) => number;
}

const OURS: PathName = "entente-http";
const HAPROXY: readonly PathName[] = ["haproxy"];
/** Where no hop is named, Envoy's cheaper one is the measure. */
const ENVOY: readonly PathName[] = ["envoy-http1", "envoy-http2"];

/** Ratios are of the HTTP pair of Entente to the peer, medians of the rounds' own ratios. */
const TARGETS: readonly Target[] = [
  cpuRatio({ title: "small GET, 32 connections: CPU : HAProxy", limit: 1.3, workload: "small-get", peers: HAPROXY }),
  cpuRatio({ title: "  : Envoy, HTTP/1.1 hop", limit: 0.4, workload: "small-get", peers: ["envoy-http1"] }),
  cpuRatio({ title: "  : Envoy, HTTP/2 hop", limit: 0.5, workload: "small-get", peers: ["envoy-http2"] }),
  cpuRatio({ title: "1,000 requests/s of 1 KB: CPU : HAProxy", limit: 1.7, workload: "rate-1k", peers: HAPROXY }),
  cpuRatio({ title: "  : Envoy, cheaper hop", limit: 0.6, workload: "rate-1k", peers: ENVOY }),
  {
    title: "  the same in pods, vCPU a sidecar",
    limit: 0.1,
    workload: "pod-rate-1k",
    value: (find) => perProcess(find("pod-rate-1k", OURS), ({ vcpu }) => vcpu),
  },
  cpuRatio({
    title: "gRPC unary, 32 in flight: CPU : Envoy",
    limit: 0.6,
    workload: "grpc-32",
    peers: ["envoy-http2"],
  }),
  cpuRatio({ title: "one connection a request: CPU : HAProxy", limit: 2, workload: "fresh", peers: HAPROXY }),
  cpuRatio({ title: "  : Envoy, cheaper hop", limit: 0.75, workload: "fresh", peers: ENVOY }),
  cpuRatio({ title: "responses of 1 MB: CPU : HAProxy", limit: 1.3, workload: "download-1m", peers: HAPROXY }),
  cpuRatio({ title: "  : Envoy, cheaper hop", limit: 1.3, workload: "download-1m", peers: ENVOY }),
  cpuRatio({ title: "one stream of 1 GB: CPU : HAProxy", limit: 1.1, workload: "stream-1g", peers: HAPROXY }),
  cpuRatio({ title: "  : Envoy, cheaper hop", limit: 1.3, workload: "stream-1g", peers: ENVOY }),
  cpuRatio({ title: "full handshakes: CPU : HAProxy", limit: 1.05, workload: "handshakes", peers: HAPROXY }),
  {
    title: "1,000 idle mesh connections, added MB",
    limit: 55,
    workload: "idle-1000",
    value: (find) => find("idle-1000", OURS)?.addedMb ?? Number.NaN,
  },
  {
    title: "private memory of a sidecar in a pod at 1,000 requests/s, MB",
    limit: 33,
    workload: "pod-rate-1k",
    value: (find) => perProcess(find("pod-rate-1k", OURS), ({ privateMb }) => privateMb),
  },
  addedP99Ratio({ title: "added p99 at 1,000 requests/s (calmest rounds) : HAProxy", limit: 1.5, peers: HAPROXY }),
  addedP99Ratio({ title: "  : Envoy, quicker hop", limit: 1, peers: ENVOY }),
];

/** The targets for which this run has figures. */
export function judgeTargets(summaries: readonly Summary[]): readonly JudgedTarget[] {
  const find: Find = (workload, path) =>
    summaries.find((summary) => summary.workload === workload && summary.path === path);
  return TARGETS.flatMap(({ title, limit, workload, value }) => {
    const measured = value(find);
    const rounds = find(workload, OURS)?.cpuMsOfRounds.size ?? 0;
    return Number.isNaN(measured) ? [] : [{ title, limit, value: measured, isMet: measured <= limit, rounds }];
  });
}

interface RatioTarget extends Omit<Target, "value"> {
  readonly peers: readonly PathName[];
}

/** Of several peers, to the one that does best. */
function cpuRatio({ peers, ...target }: RatioTarget): Target {
  const { workload } = target;
  const value = (find: Find): number =>
    highest(peers.map((peer) => pairedRatio(find(workload, OURS), find(workload, peer))));
  return { ...target, value };
}

function addedP99Ratio({ peers, ...target }: Omit<RatioTarget, "workload">): Target {
  const value = (find: Find): number => highest(peers.map((peer) => addedP99(find, OURS) / addedP99(find, peer)));
  return { ...target, workload: "rate-1k", value };
}

/** NaN of nothing; values that are NaN do not count. */
function highest(values: readonly number[]): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.length === 0 ? Number.NaN : Math.max(...known);
}

function perProcess(summary: Summary | undefined, value: (summary: Summary) => number): number {
  return summary === undefined ? Number.NaN : value(summary) / summary.processes;
}

/** Beyond what the client waits without sidecars; NaN also where that is lost in the machine's noise. */
function addedP99(find: Find, path: PathName): number {
  const [through, without] = [find("rate-1k", path)?.lowestP99Ms, find("rate-1k", "none")?.lowestP99Ms];
  if (through === undefined || without === undefined) return Number.NaN;
  return through > without ? through - without : Number.NaN;
}
