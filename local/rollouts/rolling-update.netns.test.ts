import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalPod } from "../pods/local-pod.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { startGrpcLoad } from "./grpc-load-fixture.ts";
import { type LoadJob, startLoad } from "./load-fixture.ts";
import { formatDeployment, formatGatewayRoute, type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";

const WORLD = { UPSTREAM: "http://world.mesh/" };

/** Each pod is replaced, one after another: minutes on a busy machine. */
const LIMIT_MS = 400_000;

/** For clients without a sidecar, which have to learn of new pods first: on a busy machine that takes seconds. */
const PATIENT = { preStopSeconds: 12 };

/** The applications that exit at once lose the requests that they are handling: only those that may be repeated. */
const MANIFESTS = [
  formatDeployment({ name: "world", args: ["graceful"], isNative: false }),
  formatDeployment({ name: "hello", args: ["graceful"], isNative: true, env: WORLD }),
  formatDeployment({ name: "abrupt", args: ["abrupt"], isNative: false }),
  formatDeployment({ name: "abrupt-native", args: ["abrupt"], isNative: true }),
  formatDeployment({ name: "paused", args: ["graceful"], isNative: true, preStopSeconds: 5 }),
  formatDeployment({ name: "early", args: ["graceful"], isNative: false, drainSeconds: 1 }),
  formatDeployment({ name: "grpc", args: ["ends-streams"], isNative: false, protocol: "grpc" }),
  formatDeployment({ ...PATIENT, name: "grpc-patient", args: ["keeps-streams"], isNative: true, protocol: "grpc" }),
  formatGatewayRoute("hello.example", "hello"),
].join("");

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(MANIFESTS);
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

interface Load extends Pick<LoadJob, "url" | "methods" | "expected"> {
  readonly name: string;
  readonly from: () => LocalPod;
  readonly host?: string;
}

const BOTH = ["GET", "POST"] as const;
const GATEWAY = "http://istio-ingressgateway.istio-system/";

const LOADS: readonly Load[] = [
  {
    name: "hello calls world",
    from: () => mesh.client,
    url: "http://hello.mesh/",
    methods: BOTH,
    expected: " 200 served by world-",
  },
  { name: "world", from: () => mesh.client, url: "http://world.mesh/", methods: BOTH, expected: "served by world-" },
  {
    name: "an application that exits at once",
    from: () => mesh.client,
    url: "http://abrupt.mesh/",
    methods: ["GET"],
    expected: "served",
  },
  {
    name: "the same with a native sidecar",
    from: () => mesh.client,
    url: "http://abrupt-native.mesh/",
    methods: ["GET"],
    expected: "served",
  },
  {
    name: "pods that have ended long before others know",
    from: () => mesh.client,
    url: "http://early.mesh/",
    methods: BOTH,
    expected: "served",
  },
  {
    name: "a client without a sidecar",
    from: () => mesh.outsider,
    url: "http://paused.mesh/",
    methods: BOTH,
    expected: "served",
  },
  {
    name: "a client of the gateway",
    from: () => mesh.outsider,
    url: GATEWAY,
    host: "hello.example",
    methods: BOTH,
    expected: " 200 served by world-",
  },
];

it.concurrent(
  "replacing every pod, under load on kept and on fresh connections, fails no request",
  async () => {
    const loads = LOADS.map(({ name, from, ...job }) => ({
      name,
      end: startLoad(from(), { host: "", ...job, clients: 4, pauseMs: 200 }),
    }));
    await Promise.all(["world", "abrupt", "paused"].map((name) => mesh.replaceAll(name)));
    await Promise.all([
      ...["hello", "abrupt-native", "istio-ingressgateway"].map((name) => mesh.replaceAll(name)),
      mesh.replaceAll("early", 6000),
    ]);
    const reports = await Promise.all(loads.map(async ({ name, end }) => ({ name, ...(await end()) })));
    expect(reports.filter(({ failures }) => failures.length > 0)).toEqual([]);
    for (const { name, succeeded } of reports) expect(succeeded, name).toBeGreaterThan(200);
  },
  LIMIT_MS,
);

it.concurrent(
  "replacing every pod of a gRPC service fails no unary call, and cuts no stream",
  async () => {
    const job = { clients: 4, streams: 4, pauseMs: 50 };
    const loads = [
      { name: "in the mesh", end: startGrpcLoad(mesh.client, { ...job, url: "http://grpc.mesh", repeats: "nothing" }) },
      {
        name: "without a sidecar",
        end: startGrpcLoad(mesh.outsider, { ...job, url: "http://grpc-patient.mesh", repeats: "refused calls" }),
      },
    ];
    await Promise.all(["grpc", "grpc-patient"].map((name) => mesh.replaceAll(name)));
    const [meshed, outside] = await Promise.all(loads.map(({ end }) => end()));
    expect([meshed?.failures, outside?.failures]).toEqual([[], []]);
    for (const report of [meshed, outside]) {
      expect(report?.succeeded).toBeGreaterThan(200);
      expect(report?.streams.messages).toBeGreaterThan(200);
    }
    // A client in the mesh has its own sidecar before it, which stays: the server ends the streams.
    expect(meshed?.streams.endedByServer).toBeGreaterThanOrEqual(job.streams);
    // Both pods were replaced, and each stream was on one of them: its client was told by GOAWAY.
    expect(outside?.streams).toMatchObject({ endedByServer: 0 });
    expect(outside?.streams.endedAfterGoaway).toBeGreaterThanOrEqual(2 * job.streams);
  },
  LIMIT_MS,
);
