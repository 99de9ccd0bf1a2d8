import { setTimeout as sleep } from "node:timers/promises";
import type { DemoPod } from "../pods/demo-pod.ts";
import { readCertificate, type ShownCertificate } from "./admin-views.ts";

/** Which certificates each proxy has had, as its administration port told. */
export interface RotationWatch {
  /** Distinct serial numbers of a pod's leaves, in the order in which they were seen. */
  serialsOf(pod: DemoPod): readonly string[];
  stop(): Promise<void>;
}

const EVERY_MS = 1000;

/** Looks at the pods' certificates every second, from now on. */
export function startRotationWatch(pods: readonly DemoPod[], signal: AbortSignal): RotationWatch {
  const serials = new Map<DemoPod, Set<string>>(pods.map((pod) => [pod, new Set()]));
  const stop = new AbortController();
  const loop = watch(serials, AbortSignal.any([stop.signal, signal]));
  // Whoever stops the watch learns of a fault; until then it must not end the process.
  loop.catch(() => undefined);
  return {
    serialsOf: (pod) => [...(serials.get(pod) ?? [])],
    stop: async () => {
      stop.abort();
      await loop;
    },
  };
}

async function watch(serials: ReadonlyMap<DemoPod, Set<string>>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const looked = [...serials].map(async ([pod, seen]) => {
      const certificate: ShownCertificate | undefined = await readCertificate(pod);
      if (certificate !== undefined) seen.add(certificate.serial);
    });
    await Promise.all(looked);
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}
