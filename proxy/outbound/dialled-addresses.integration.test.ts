import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { ControlPlaneFixture } from "../tls/control-plane/control-plane-fixture.ts";
import { startWorkloadTls } from "../tls/workload-tls.ts";
import { createDestinationCache } from "./destination-cache.ts";

const DIALLED = 1000;
const cleanup = new Cleanup();
let plane: ControlPlaneFixture;

beforeEach(async () => {
  plane = await ControlPlaneFixture.start();
  cleanup.add(() => plane.dispose());
});
afterEach(() => cleanup.run());

/** A sidecar's destinations, queried at a real control plane. */
async function startDestinations(log: RecordingLogger) {
  const tls = await startWorkloadTls({ ...plane.workloadOptions(), random: Math.random, log });
  cleanup.add(() => tls.close());
  await log.seen("connected to the control plane");
  const destinations = createDestinationCache({
    clock: systemClock,
    resolveTimeoutMs: 60_000,
    watch: (target, listener) => tls.discovery.watchDestination(target, listener),
  });
  cleanup.add(() => destinations.close());
  return destinations;
}

/** The destinations that the control plane keeps current, by connected stream. */
function countDestinations(): readonly number[] {
  return plane.proxies().map(({ resources }) => resources.find(({ kind }) => kind === "destination")?.count ?? 0);
}

it("an application that dials thousands of addresses costs the control plane one stream and no log line", async () => {
  const log = new RecordingLogger();
  const destinations = await startDestinations(log);
  const leases = await Promise.all(
    Array.from({ length: DIALLED }, (_, index) =>
      destinations.acquire({ kind: "address", ip: `198.18.${index >> 8}.${index & 255}`, port: 80 }),
    ),
  );
  expect(leases.every((lease) => lease?.current().kind === "passthrough")).toBe(true);
  expect(countDestinations()).toEqual([DIALLED]);
  for (const lease of leases) lease?.release();
  destinations.close();
  await expect.poll(() => countDestinations()).toEqual([0]);
  await nextTurn();
  const lines = [...plane.log.records, ...log.records].filter(({ level }) => level === "warn" || level === "error");
  expect(lines.map(({ message }) => message)).toEqual([]);
});
