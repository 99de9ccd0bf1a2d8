import type { ClientHttp2Session } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { messageFromSubscription } from "../../mesh/api/convert-subscription.ts";
import { DiscoverRequestSchema, DiscoveryService } from "../../mesh/api/gen/discovery_pb.ts";
import { tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import {
  type ControlPlaneFixture,
  closing,
  registerTestDiscovery,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";

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

const HEADERS = {
  ":method": "POST",
  ":path": `/${DiscoveryService.typeName}/Discover`,
  "content-type": "application/grpc",
  te: "trailers",
};

/** A request for what the sidecar of `hello-1` needs first. */
function firstRequest(): Buffer {
  const subscribe = [messageFromSubscription({ id: 1, resource: { kind: "inbound" }, knownDigest: new Uint8Array() })];
  const workload = { namespace: "ns1", name: "hello-1" };
  const message = toBinary(
    DiscoverRequestSchema,
    create(DiscoverRequestSchema, { proxy: { workload, version: "test" }, subscribe }),
  );
  return Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
}

/** Connects and opens a stream. The status of a stream that is refused. */
async function join(certificate: Awaited<ReturnType<ControlPlaneFixture["workload"]>>): Promise<string> {
  const session = plane.dialHttp2(certificate);
  sessions.push(session);
  const stream = session.request(HEADERS).on("error", () => undefined);
  stream.write(firstRequest());
  return await new Promise((resolve) => {
    stream.once("data", () => resolve("served"));
    stream.once("response", ({ "grpc-status": status }) => status !== undefined && resolve(`refused with ${status}`));
    stream.once("close", () => resolve("closed"));
  });
}

it("all of them connect, twice each as while they move to another connection, and none loses a connection", async () => {
  const certificates = [];
  for (let index = 0; index < 10; index += 1) certificates.push(await plane.workload(undefined, `uid-${index}`));
  const twice = [...certificates, ...certificates];
  expect(new Set(await Promise.all(twice.map(join)))).toEqual(new Set(["served"]));
  expect(sessions.filter(({ closed, destroyed }) => closed || destroyed)).toEqual([]);
  expect(await plane.metric('entente_control_plane_connections_refused_total{reason="too_many_of_caller"}')).toBe(0);
});

it("one that opens more loses its own oldest, with a renewed certificate too, and the others lose none", async () => {
  const greedy = await plane.workload(undefined, "uid-1");
  const renewed = await plane.workload(undefined, "uid-1");
  const other = await plane.workload(undefined, "uid-2");
  expect([await join(other), await join(greedy), await join(greedy)]).toEqual(["served", "served", "served"]);
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
  expect(await join(await plane.workload(undefined, "uid-1"))).toBe("served");
});
