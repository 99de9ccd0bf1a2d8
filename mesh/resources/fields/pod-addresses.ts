import type { Pod } from "../kinds/pod.ts";

/** All addresses of a pod, the first one also where it stands twice. */
export function podAddresses({ status }: Pod): readonly string[] {
  const first = status.podIP === undefined ? [] : [status.podIP];
  return [...first, ...(status.podIPs ?? []).map((entry) => entry.ip)];
}
