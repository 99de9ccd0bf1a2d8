import type { Pod } from "../kinds/pod.ts";

/** All addresses of a pod, without duplicates. */
export function podAddresses({ status }: Pod): readonly string[] {
  const first = status.podIP === undefined ? [] : [status.podIP];
  return [...first, ...(status.podIPs ?? []).map((entry) => entry.ip)];
}
