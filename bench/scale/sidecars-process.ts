/** The simulated sidecars of the scale bench, many in one process. Started by `fork`. */
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { createLogger } from "../../cli/create-logger.ts";
import type { Destination } from "../../mesh/policy/types.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { type FromSidecars, machineMs, type SidecarsJob, type ToSidecars } from "./messages.ts";
import { SidecarFactory, TRUST_DOMAIN } from "./simulated-sidecar.ts";
import { SERVICE_PORT, Topology } from "./topology.ts";

const log = createLogger("error");

/** How many sidecars have seen a version of a pod, and when the last of them did. */
const seen = new Map<string, { count: number; lastMs: number }>();

function send(message: FromSidecars): void {
  process.send?.(message);
}

async function start({ size, first, count, address, caDirectory, rootFile }: SidecarsJob): Promise<void> {
  const trust = { trustDomain: TRUST_DOMAIN, clock: systemClock, log };
  const authority = await openAuthority({ directory: caDirectory, ...trust });
  const topology = new Topology(size);
  const factory = new SidecarFactory({ authority, address, rootFile, log });
  const firstValues = new FirstValues();
  for (let number = first; number < first + count; number += 1) {
    const ref = topology.sidecar(number);
    const { discovery } = await factory.start(ref);
    const onBundle = firstValues.expect();
    discovery.watchTrustBundle({ take: () => void onBundle(), confirm: () => undefined });
    discovery.watchInbound(firstValues.expect());
    for (const service of ref.services) {
      const onFirst = firstValues.expect();
      const versions = new Set<string>();
      const target = { kind: "address", ip: topology.serviceIp(service), port: SERVICE_PORT } as const;
      discovery.watchDestination(target, (destination) => {
        onFirst();
        note(destination, versions);
      });
    }
  }
  send({ kind: "started" });
}

/** Reports when all subscriptions have had their first value. */
class FirstValues {
  #missing = 0;

  expect(): () => void {
    this.#missing += 1;
    let isFirst = true;
    return () => {
      if (!isFirst) return;
      isFirst = false;
      this.#missing -= 1;
      if (this.#missing === 0) send({ kind: "have-state", atMs: machineMs() });
    };
  }
}

function note(destination: Destination, versions: Set<string>): void {
  if (destination.kind !== "mesh") return;
  const atMs = machineMs();
  for (const { workload } of destination.endpoints) {
    if (versions.has(workload.version)) continue;
    versions.add(workload.version);
    const entry = seen.get(workload.version) ?? { count: 0, lastMs: 0 };
    seen.set(workload.version, { count: entry.count + 1, lastMs: atMs });
  }
}

process.on("disconnect", () => process.exit(0));
process.on("message", (message: ToSidecars) => {
  if (message.kind === "start") void start(message.job);
  else send({ kind: "seen", versions: [...seen].map(([version, entry]) => ({ version, ...entry })) });
});
