import { setTimeout as sleep } from "node:timers/promises";
import type { DemoPod } from "../pods/demo-pod.ts";
import { readCertificate, type ShownCertificate } from "./admin-views.ts";

/** The certificates that each proxy has had, by its admin port. */
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
  // A fault is reported when the watch is stopped; until then it must not end the process.
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
