import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";

/** How Istio names the upstream of a service, in the access log and elsewhere: `outbound|PORT|SUBSET|HOST`. */
export function formatClusterName({ host, port, subset }: Pick<HostTarget, "host" | "port" | "subset">): string {
  return `outbound|${port}|${subset}|${host}`;
}

/** The same for the pod's own application: `inbound|PORT||`. */
export function formatInboundClusterName(port: number): string {
  return `inbound|${port}||`;
}
