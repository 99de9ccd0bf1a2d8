/**
 * One sidecar of the scale bench in a process of its own, for its memory: data plane and discovery as shipped, with
 * destinations in use. Its argument is a `SidecarsJob`; prints a line once it has them. Run with `--expose-gc`.
 */
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { createLogger } from "../../cli/create-logger.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { createDestinationCache } from "../../proxy/outbound/destination-cache.ts";
import type { SidecarsJob } from "./messages.ts";
import { SidecarFactory, TRUST_DOMAIN } from "./simulated-sidecar.ts";
import { SERVICE_PORT, Topology } from "./topology.ts";

/** The same number in each mesh, whatever its size. */
const DESTINATIONS = 10;

// The clock's own timers do not keep a process alive, as while it waits to connect again.
setInterval(() => globalThis.gc?.(), 500);
const log = createLogger("error");
const job: SidecarsJob = JSON.parse(process.argv[2] ?? "{}");
const trust = { trustDomain: TRUST_DOMAIN, clock: systemClock, log };
const authority = await openAuthority({ directory: job.caDirectory, ...trust });
const topology = new Topology(job.size);
const ref = topology.sidecar(job.first);
const { discovery } = await new SidecarFactory({ ...job, authority, log }).start(ref);
const destinations = createDestinationCache({
  watch: (target, listener) => discovery.watchDestination(target, listener),
  clock: systemClock,
  resolveTimeoutMs: 60_000,
});
const inbound = new Promise<void>((resolve) => discovery.watchInbound(() => resolve()));
const bundle = new Promise<void>((resolve) =>
  discovery.watchTrustBundle({ take: () => void resolve(), confirm: () => undefined }),
);
const leases = await Promise.all(
  ref.services
    .slice(0, DESTINATIONS)
    .map((service) => destinations.acquire({ kind: "address", ip: topology.serviceIp(service), port: SERVICE_PORT })),
);
await Promise.all([inbound, bundle]);
if (leases.some((lease) => lease?.current().kind !== "mesh")) throw new Error("a destination is missing");
globalThis.gc?.();
process.stdout.write("ready\n");
