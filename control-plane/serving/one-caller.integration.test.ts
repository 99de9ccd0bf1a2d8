import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, it } from "vitest";
import { DiscoveryService } from "../../mesh/api/gen/discovery_pb.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import {
  type ControlPlaneFixture,
  closing,
  registerTestDiscovery,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";
import { DISCOVER_HEADERS, openDiscoverStream, outcomeOf } from "./discover-stream-fixture.ts";

/** What one pod may use of the control plane: the others are served, whatever it does. */
let plane: ControlPlaneFixture;
let sessions: ClientHttp2Session[] = [];

beforeEach(async () => {
  plane = await startControlPlaneFixture({
    // The limits of streams have tests of their own.
    routes: (router) => registerTestDiscovery(router, { perPod: 1024, perCaller: 1024 }),
    limitLog: createLogLimiter(systemClock, 5),
    limits: {
      maxConnectionsPerCaller: 3,
      maxStreamsOfVerified: 1024,
      callBurst: 200,
      callsPerSecond: 1,
      refusalDelayMs: 50,
      maxDelayedRefusals: 500,
    },
  });
});
afterEach(async () => {
  for (const session of sessions) session.destroy();
  sessions = [];
  await plane.stop();
});

async function dial(localAddress: string): Promise<ClientHttp2Session> {
  const session = plane.dialHttp2({ ...(await plane.workload()), localAddress });
  sessions.push(session);
  await connected(session);
  return session;
}

/** Rejects if the session ends first, also without an error. */
async function connected(session: ClientHttp2Session): Promise<void> {
  const ended = closing(session).then(() =>
    Promise.reject(new Error("the connection was closed before it was served")),
  );
  await Promise.race([once(session, "remoteSettings"), ended]);
}

/** Asks what an address outside of the mesh is. */
function watch(session: ClientHttp2Session, ip = "192.0.2.1"): ClientHttp2Stream {
  return openDiscoverStream(session, { kind: "destination", target: { kind: "address", ip, port: 80 } });
}

function faultLines(): readonly string[] {
  return plane.log.records.filter(({ level }) => level === "warn" || level === "error").map(({ message }) => message);
}

it.each([
  {
    name: "in the middle of its requests",
    leave: async (session: ClientHttp2Session) => {
      const calls = Array.from({ length: 100 }, () => session.request(DISCOVER_HEADERS).on("error", () => undefined));
      for (const call of calls) call.write(Buffer.from([0, 0]));
      await new Promise((resolve) => session.ping(resolve));
      for (const call of calls) call.close(8);
      await Promise.all(calls.map(closing));
    },
  },
  {
    name: "after its responses",
    leave: async (session: ClientHttp2Session) => {
      const calls = Array.from({ length: 100 }, (_, index) => watch(session, `192.0.2.${index}`));
      expect(new Set(await Promise.all(calls.map(outcomeOf)))).toEqual(new Set(["open"]));
      for (const call of calls) call.close(8);
      await Promise.all(calls.map(closing));
    },
  },
  {
    name: "with its connection",
    leave: async (session: ClientHttp2Session) => {
      const calls = Array.from({ length: 100 }, () => session.request(DISCOVER_HEADERS).on("error", () => undefined));
      for (const call of calls) call.write(Buffer.from([0, 0]));
      await new Promise((resolve) => session.ping(resolve));
      session.destroy();
      await closing(session);
    },
  },
])("a caller that disconnects $name causes no log line", async ({ leave }) => {
  await leave(await dial("127.0.0.1"));
  // Once a later caller is served, the server has handled it.
  expect(await outcomeOf(watch(await dial("127.0.0.2")))).toBe("open");
  expect(faultLines()).toEqual([]);
});

it("a caller that keeps opening streams is refused cheaply, and others are served meanwhile", async () => {
  const greedy = await dial("127.0.0.1");
  const ends = Array.from({ length: 600 }, (_, index) => outcomeOf(watch(greedy, `198.51.100.${index % 256}`)));
  const other = watch(await dial("127.0.0.2"));
  expect(await outcomeOf(other)).toBe("open");
  const outcomes = await Promise.all(ends);
  const open = outcomes.filter((outcome) => outcome === "open").length;
  expect(open).toBeGreaterThanOrEqual(200);
  expect(open).toBeLessThan(300);
  expect(outcomes.filter((outcome) => outcome === String(Code.ResourceExhausted)).length).toBe(600 - open);
  expect(await plane.metric('entente_control_plane_calls_refused_total{peer="verified"}')).toBe(600 - open);
  expect(plane.server.callsBegun()).toBe(601);
  expect(faultLines()).toEqual([]);
});

it("a caller that does not wait for its refusals loses its connection, and no other caller loses one", async () => {
  const [greedy, other] = [await dial("127.0.0.1"), await dial("127.0.0.2")];
  const ends = Array.from({ length: 900 }, () => outcomeOf(watch(greedy)));
  await closing(greedy);
  expect((await Promise.all(ends)).filter((outcome) => outcome === "closed").length).toBeGreaterThan(0);
  expect(await outcomeOf(watch(other))).toBe("open");
});

it("a caller that is refused, or cancels its calls, many times keeps its connection", async () => {
  const session = await dial("127.0.0.1");
  for (let batch = 0; batch < 20; batch += 1) {
    const calls = Array.from({ length: 100 }, () => watch(session));
    await Promise.all(calls.map(outcomeOf));
    for (const call of calls) call.close(8);
    await Promise.all(calls.map(closing));
  }
  expect([session.closed, session.destroyed]).toEqual([false, false]);
  expect(await plane.metric('entente_control_plane_calls_refused_total{peer="verified"}')).toBeGreaterThan(1500);
});

it("a caller that keeps opening connections loses its oldest, and other callers lose none", async () => {
  const other = await dial("127.0.0.2");
  const [first, second] = [await dial("127.0.0.1"), await dial("127.0.0.1")];
  for (let count = 0; count < 3; count += 1) await dial("127.0.0.1");
  await Promise.all([closing(first), closing(second)]);
  expect(sessions.filter(({ closed, destroyed }) => closed || destroyed)).toEqual([first, second]);
  expect(await plane.metric('entente_control_plane_connections_refused_total{reason="too_many_of_caller"}')).toBe(2);
  expect(await outcomeOf(watch(other))).toBe("open");
});

it("a fault of a handler is logged, within the limit of log lines", async () => {
  await plane.stop();
  plane = await startControlPlaneFixture({
    limitLog: createLogLimiter(new FakeClock(), 5),
    routes: (router) =>
      router.service(DiscoveryService, {
        // biome-ignore lint/correctness/useYield: it fails before its first message.
        async *discover() {
          throw new Error("no such luck");
        },
      }),
  });
  const session = await dial("127.0.0.1");
  const calls = Array.from({ length: 100 }, () => watch(session).resume());
  await Promise.all(calls.map(closing));
  await expect.poll(() => plane.log.find("a handler failed").length).toBeGreaterThan(0);
  expect(plane.log.find("a handler failed").length).toBeLessThanOrEqual(5);
});

it("an open stream of requests does not count as an incomplete one", async () => {
  await plane.stop();
  plane = await startControlPlaneFixture({
    routes: (router) => registerTestDiscovery(router, { perPod: 1024, perCaller: 1024 }),
    limits: { maxArrivingOfVerified: 2, maxStreamsOfVerified: 100 },
  });
  const session = await dial("127.0.0.1");
  const streams = Array.from({ length: 20 }, () => watch(session));
  expect(new Set(await Promise.all(streams.map(outcomeOf)))).toEqual(new Set(["open"]));
  expect(streams.filter(({ closed }) => closed)).toEqual([]);
});

it("a stream that the control plane has ended is over, whatever its caller still sends", async () => {
  const session = await dial("127.0.0.1");
  const stream = session.request(DISCOVER_HEADERS).on("error", () => undefined);
  const trailers = once(stream, "trailers");
  // The first request names no pod.
  stream.resume().write(Buffer.alloc(5));
  expect((await trailers)[0]).toMatchObject({ "grpc-status": String(Code.InvalidArgument) });
  await closing(stream);
  expect([session.closed, session.destroyed]).toEqual([false, false]);
});

it("a caller that sends endless frames without a call is cut off, and others are served", async () => {
  const busy = await startControlPlaneFixture({
    limits: { trafficBurstBytes: 200_000, trafficBytesPerSecond: 1, trafficSampleMs: 20 },
  });
  const honest = busy.dialHttp2({ ...(await busy.workload()), localAddress: "127.0.0.2" });
  const greedy = busy.dialTls(await busy.workload());
  await Promise.all([once(honest, "remoteSettings"), once(greedy.resume(), "secureConnect")]);
  const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
  const windowUpdate = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1];
  greedy.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.from(settings)]));
  const flood = Buffer.alloc(13_000, Buffer.from(windowUpdate));
  while (!greedy.closed) {
    await new Promise((resolve) => greedy.write(flood, resolve));
  }
  expect(await busy.metric('entente_control_plane_connections_refused_total{reason="too_much_traffic"}')).toBe(1);
  await new Promise((resolve) => honest.ping(resolve));
  expect(honest.destroyed).toBe(false);
  honest.destroy();
  await busy.stop();
});
