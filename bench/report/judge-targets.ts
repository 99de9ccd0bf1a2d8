import type { PathName } from "../paths/path.ts";
import type { Summary } from "./summarize.ts";

/** A figure that the project wants to reach, as it came out in this run. */
export interface JudgedTarget {
  readonly title: string;
  readonly value: number;
  readonly limit: number;
  readonly isMet: boolean;
}

/** Finds what was measured; `undefined`: it was not. */
type Find = (workload: string, path: PathName) => Summary | undefined;

interface Target {
  readonly title: string;
  readonly limit: number;
  /** `undefined`: what it needs was not measured. */
  readonly value: (find: Find) => number | undefined;
}

const TARGETS: readonly Target[] = [
  {
    title: "small GET, CPU a request, HTTP pair : HAProxy",
    limit: 1.3,
    value: (find) => ratio(find("small-get", "entente-http")?.cpuMs, find("small-get", "haproxy")?.cpuMs),
  },
  {
    title: "small GET, CPU a request, HTTP pair : http-proxy pair",
    limit: 0.3,
    value: (find) => ratio(find("small-get", "entente-http")?.cpuMs, find("small-get", "http-proxy")?.cpuMs),
  },
  {
    title: "1,000 requests/s of 1 KB, vCPU a sidecar",
    limit: 0.1,
    value: (find) => perProcess(find("rate-1k", "entente-http"), ({ vcpu }) => vcpu),
  },
  {
    title: "the same in pods, vCPU a sidecar",
    limit: 0.1,
    value: (find) => perProcess(find("pod-rate-1k", "entente-http"), ({ vcpu }) => vcpu),
  },
  {
    title: "1,000 requests/s of 1 KB, added p99 (each path's calmest round), HTTP pair : HAProxy",
    limit: 2,
    value: (find) => ratio(addedP99(find, "entente-http"), addedP99(find, "haproxy")),
  },
  {
    title: "one connection a request, CPU, HTTP pair : HAProxy",
    limit: 2,
    value: (find) => ratio(find("fresh", "entente-http")?.cpuMs, find("fresh", "haproxy")?.cpuMs),
  },
  {
    title: "1 GB, CPU, HTTP pair : HAProxy",
    limit: 1.3,
    value: (find) => ratio(find("stream-1g", "entente-http")?.cpuMs, find("stream-1g", "haproxy")?.cpuMs),
  },
  {
    title: "1 GB, CPU, stream pair : HAProxy",
    limit: 1.3,
    value: (find) => ratio(find("stream-1g", "entente-stream")?.cpuMs, find("stream-1g", "haproxy")?.cpuMs),
  },
  {
    title: "slow reader, growth of a sidecar, MB (flat: a few)",
    limit: 16,
    value: (find) => find("slow-reader", "entente-http")?.grownMb,
  },
  {
    title: "shipped sidecar at 1,000 requests/s, private MB",
    limit: 35,
    value: (find) => perProcess(find("pod-rate-1k", "entente-http"), ({ privateMb }) => privateMb),
  },
  {
    title: "shipped sidecar at 1,000 requests/s, resident MB",
    limit: 80,
    value: (find) => perProcess(find("pod-rate-1k", "entente-http"), ({ residentMb }) => residentMb),
  },
  {
    title: "1,000 idle mutual TLS connections, added MB",
    limit: 40,
    value: (find) => find("idle-1000", "entente-http")?.addedMb,
  },
];

/** The targets for which this run has figures. */
export function judgeTargets(summaries: readonly Summary[]): readonly JudgedTarget[] {
  const find: Find = (workload, path) =>
    summaries.find((summary) => summary.workload === workload && summary.path === path);
  return TARGETS.flatMap(({ title, limit, value }) => {
    const measured = value(find);
    return measured === undefined || Number.isNaN(measured)
      ? []
      : [{ title, limit, value: measured, isMet: measured <= limit }];
  });
}

function ratio(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one / other;
}

function perProcess(summary: Summary | undefined, value: (summary: Summary) => number): number | undefined {
  return summary === undefined ? undefined : value(summary) / summary.processes;
}

/** Beyond what the client waits without sidecars; `undefined` also where that is lost in the machine's noise. */
function addedP99(find: Find, path: PathName): number | undefined {
  const [through, without] = [find("rate-1k", path)?.lowestP99Ms, find("rate-1k", "none")?.lowestP99Ms];
  if (through === undefined || without === undefined) return undefined;
  return through > without ? through - without : undefined;
}
