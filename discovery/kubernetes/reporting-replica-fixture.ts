/** For tests: replicas of the control plane that report what is invalid. */
import { KINDS } from "../../kubernetes/kinds.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { InvalidObjectReporter, type UnwrittenReport } from "./invalid-object-reporter.ts";
import { kindOf } from "./mesh-cluster-fixture.ts";
import { policyOf, type SourceHarness } from "./source-fixture.ts";

/**
 * A replica of the control plane on the harness's cluster, which reports what is invalid.
 * @returns what it could not write, as it happens
 */
export async function startReplica(
  cleanup: Cleanup,
  harness: SourceHarness,
  instance = "istiod-1",
  chance = 0.5,
): Promise<UnwrittenReport[]> {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const { api, clock, log } = harness;
  const unwritten: UnwrittenReport[] = [];
  const reporter = new InvalidObjectReporter({
    ...{ api, clock, log, instance, signal: stop.signal },
    random: () => chance,
    onUnwritten: (why) => unwritten.push(why),
  });
  await harness.start({ onObject: (kind, object) => reporter.note(kind, object) });
  return unwritten;
}

export function statusOf(harness: SourceHarness, namespace = "ns1", name = "default"): unknown {
  const kind = kindOf(harness.cluster, policyOf("STRICT"));
  return harness.cluster.get(kind, { namespace, name })["status"];
}

export function eventsIn(harness: SourceHarness) {
  return harness.cluster.list(KINDS.events, {}).items;
}

export function countWrites(harness: SourceHarness): () => number {
  let writes = 0;
  harness.beforeCall = ({ verb }) => {
    if (verb === "apply" || verb === "create") writes += 1;
  };
  return () => writes;
}
