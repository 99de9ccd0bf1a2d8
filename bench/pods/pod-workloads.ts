import { REQUESTS, type Workload } from "../workload.ts";

/** What is asked of the shipped sidecar in pods. */
export interface PodWorkload extends Workload {
  /** Requests a second of 1 KB; 0: none. */
  readonly rate: number;
}

export const POD_WORKLOADS: readonly PodWorkload[] = [
  {
    name: "pod-rate-1k",
    title: "The shipped sidecar in pods, with iptables and control plane: 1,000 requests/s of 1 KB, 16 connections",
    unit: REQUESTS,
    rate: 1000,
  },
  { name: "pod-idle", title: "The same sidecars with nothing to do", unit: REQUESTS, rate: 0 },
];
