import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { ControlPlaneFixture, HELLO } from "../tls/control-plane/control-plane-fixture.ts";
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
  const { address, rootFile: rootCertificateFile, tokenFile } = plane;
  const workload = { namespace: "ns1", name: "hello-1" };
  const random = Math.random;
  const tls = await startWorkloadTls({
    ...{ address, rootCertificateFile, tokenFile, workload, random, log },
    identity: HELLO,
    version: "test",
    clock: systemClock,
  });
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

/** Open streams at the control plane, and their maximum. */
function countStreams(): { now: number; most: number } {
  const count = { now: 0, most: 0 };
  for (const session of plane.sessions.keys()) {
    session.on("stream", (stream) => {
      count.now += 1;
      count.most = Math.max(count.most, count.now);
      stream.on("close", () => {
        count.now -= 1;
      });
    });
  }
  return count;
}

it("an application that dials thousands of addresses costs the control plane few streams and no log line", async () => {
  const log = new RecordingLogger();
  const destinations = await startDestinations(log);
  const streams = countStreams();
  const leases = await Promise.all(
    Array.from({ length: DIALLED }, (_, index) =>
      destinations.acquire({ kind: "address", ip: `198.18.${index >> 8}.${index & 255}`, port: 80 }),
    ),
  );
  expect(leases.every((lease) => lease?.current().kind === "passthrough")).toBe(true);
  // Pending queries, and addresses outside the mesh. A closed stream stays open at the other end until its end arrives.
  expect(streams.most).toBeLessThan(256);
  for (const lease of leases) lease?.release();
  destinations.close();
  await vi.waitFor(() => expect(streams.now).toBe(0));
  await nextTurn();
  const lines = [...plane.log.records, ...log.records].filter(({ level }) => level === "warn" || level === "error");
  expect(lines.map(({ message }) => message)).toEqual([]);
});
