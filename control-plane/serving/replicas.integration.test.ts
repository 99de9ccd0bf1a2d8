import type { ClientHttp2Session } from "node:http2";
import { afterEach, beforeEach, expect, it } from "vitest";
import { tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import {
  type ControlPlaneFixture,
  closing,
  registerTestDiscovery,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";
import { openDiscoverStream, outcomeOf } from "./discover-stream-fixture.ts";

/** Replicas of one service account behind one address, as of a node or a NAT: each has the limits of a caller. */
let plane: ControlPlaneFixture;
const GONE = ["gone-1", "gone-2", "gone-3"].map(tagOfPodUid);
const sessions: ClientHttp2Session[] = [];

beforeEach(async () => {
  plane = await startControlPlaneFixture({
    routes: (router) =>
      registerTestDiscovery(router, { perPod: 1024, perCaller: 2, subscriptionsPerCaller: 2, requestBurst: 4 }),
    limits: { maxConnectionsPerCaller: 2, callBurst: 3, callsPerSecond: 0.001 },
    hasPod: (_, tag) => !GONE.includes(tag),
  });
});
afterEach(async () => {
  for (const session of sessions.splice(0)) session.destroy();
  await plane.stop();
});

/** Connects and asks for what a sidecar needs first. */
function join(certificate: Awaited<ReturnType<ControlPlaneFixture["workload"]>>): Promise<string> {
  const session = plane.dialHttp2(certificate);
  sessions.push(session);
  return outcomeOf(openDiscoverStream(session, { kind: "inbound" }));
}

it("all of them connect, twice each as while they move to another connection, and none loses a connection", async () => {
  const certificates = [];
  for (let index = 0; index < 10; index += 1) certificates.push(await plane.workload(undefined, `uid-${index}`));
  const twice = [...certificates, ...certificates];
  expect(new Set(await Promise.all(twice.map(join)))).toEqual(new Set(["open"]));
  expect(sessions.filter(({ closed, destroyed }) => closed || destroyed)).toEqual([]);
  expect(await plane.metric('entente_control_plane_connections_refused_total{reason="too_many_of_caller"}')).toBe(0);
});

it("one that opens more loses its own oldest, with a renewed certificate too, and the others lose none", async () => {
  const greedy = await plane.workload(undefined, "uid-1");
  const renewed = await plane.workload(undefined, "uid-1");
  const other = await plane.workload(undefined, "uid-2");
  expect([await join(other), await join(greedy), await join(greedy)]).toEqual(["open", "open", "open"]);
  const [first, oldest] = sessions;
  await join(renewed);
  if (oldest === undefined) throw new TypeError();
  await closing(oldest);
  expect(first?.destroyed).toBe(false);
  expect(await plane.metric('entente_control_plane_connections_refused_total{reason="too_many_of_caller"}')).toBe(1);
});

it("certificates that were kept of pods that are gone have the limits of one caller together", async () => {
  for (const uid of ["gone-1", "gone-2", "gone-3"]) await join(await plane.workload(undefined, uid));
  const [oldest] = sessions;
  if (oldest === undefined) throw new TypeError();
  await closing(oldest);
  expect(await plane.metric('entente_control_plane_connections_refused_total{reason="too_many_of_caller"}')).toBe(1);
  expect(await join(await plane.workload(undefined, "uid-1"))).toBe("open");
});
