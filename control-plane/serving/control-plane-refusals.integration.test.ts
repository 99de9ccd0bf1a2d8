import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import { connect, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { IstioCertificateService } from "../../mesh/api/gen/ca_pb.ts";
import { CALL_HEADERS, type ControlPlaneFixture, closing, startControlPlaneFixture } from "./control-plane-fixture.ts";
import type { ControlPlaneLimits } from "./control-plane-limits.ts";

let plane: ControlPlaneFixture;
const MAX_ARRIVING = 20;
const CALLS_A_SESSION = 10;

/** Only the tests of the time limits make them short: a handshake may take a while on a busy machine. */
async function start(limits: Partial<ControlPlaneLimits> = {}): Promise<void> {
  const arriving = { maxArrivingOfUnverified: MAX_ARRIVING, maxArrivingOfVerified: MAX_ARRIVING };
  plane = await startControlPlaneFixture({ limits: { maxUnverifiedConnections: 5, ...arriving, ...limits } });
}
afterEach(() => plane.stop());

const refused = (reason: string): string => `entente_control_plane_connections_refused_total{reason="${reason}"}`;
const displaced = (peer: string): string => `entente_control_plane_calls_displaced_total{peer="${peer}"}`;

async function dial(bytes: string): Promise<Socket> {
  const socket = connect(plane.server.port, "127.0.0.1").on("error", () => undefined);
  await once(socket, "connect");
  socket.write(bytes);
  return socket.resume();
}

interface Refusal {
  readonly name: string;
  readonly reason: string;
  readonly limits?: Partial<ControlPlaneLimits>;
  readonly open: () => Promise<Parameters<typeof closing>[0]>;
}

it.each<Refusal>([
  { name: "no TLS", reason: "handshake_failed", open: () => dial("GET / HTTP/1.1\r\n\r\n") },
  {
    name: "silence",
    limits: { handshakeTimeoutMs: 300 },
    ...{ reason: "handshake_timeout", open: () => dial("") },
  },
  { name: "no HTTP/2", reason: "no_http2", open: async () => plane.dialTls({ ALPNProtocols: [] }).resume() },
  {
    name: "garbage within TLS",
    reason: "protocol_error",
    open: async () => {
      const socket = plane.dialTls();
      await once(socket, "secureConnect");
      socket.write(Buffer.alloc(1000, 0xa5));
      return socket.resume();
    },
  },
  {
    name: "an unauthenticated client that stays",
    limits: { unverifiedLifetimeMs: 1500 },
    ...{ reason: "overstayed", open: async () => plane.dialHttp2() },
  },
])("a connection that ends for $name is counted as $reason, once", async ({ reason, limits, open }) => {
  await start(limits);
  await closing(await open());
  await expect.poll(() => plane.metric(refused(reason))).toBe(1);
  expect(await plane.metric(refused("displaced"))).toBe(0);
});

it("displaced clients are counted, and for no other reason", async () => {
  await start();
  const idle: Socket[] = [];
  for (let count = 0; count < 8; count += 1) idle.push(await dial(""));
  await Promise.all(idle.slice(0, 3).map(closing));
  expect(await plane.metric(refused("displaced"))).toBe(3);
  expect(await plane.metric(refused("handshake_failed"))).toBe(0);
});

/** As many calls as an unauthenticated client may have on a session, each with an endless request. */
async function holdCalls(session: ClientHttp2Session): Promise<readonly ClientHttp2Stream[]> {
  await once(session, "remoteSettings");
  const calls = Array.from({ length: CALLS_A_SESSION }, () => session.request(CALL_HEADERS));
  for (const call of calls) call.on("error", () => undefined).write(Buffer.from([0, 0, 0, 1, 0]));
  await new Promise((resolve) => session.ping(resolve));
  return calls;
}

it("endless requests of unauthenticated clients displace each other, not those of callers with a certificate", async () => {
  await start();
  const certificate = await plane.workload();
  const open: (readonly ClientHttp2Stream[])[] = [];
  const sessions: ClientHttp2Session[] = [];
  for (const options of [certificate, {}, {}, {}]) {
    const session = plane.dialHttp2(options);
    sessions.push(session);
    open.push(await holdCalls(session));
  }
  const oldest = open[1] ?? [];
  await Promise.all(oldest.map(closing));
  expect(new Set(oldest.map(({ rstCode }) => rstCode))).toEqual(new Set([constants.NGHTTP2_ENHANCE_YOUR_CALM]));
  expect(await plane.metric(displaced("unverified"))).toBe(CALLS_A_SESSION);
  expect(await plane.metric(displaced("verified"))).toBe(0);
  expect(open.map((calls) => calls.filter(({ closed }) => closed).length)).toEqual([0, CALLS_A_SESSION, 0, 0]);
  expect((await plane.ask({ bearer: await plane.token() })).length).toBeGreaterThan(1);
  for (const session of sessions) session.destroy();
});

it("calls with a complete request no longer count as arriving, however long their response takes", async () => {
  await start();
  let waiting = 0;
  const slow = await startControlPlaneFixture({
    limits: { maxArrivingOfVerified: MAX_ARRIVING, maxStreamsOfVerified: 100 },
    routes: (router) =>
      router.service(IstioCertificateService, {
        createCertificate: (_request, { signal }) => {
          waiting += 1;
          return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        },
      }),
  });
  const known = slow.dialHttp2(await slow.workload());
  for (let count = 0; count < MAX_ARRIVING + 5; count += 1) {
    known
      .request(CALL_HEADERS)
      .on("error", () => undefined)
      .end(Buffer.alloc(5));
  }
  await expect.poll(() => waiting).toBe(MAX_ARRIVING + 5);
  expect(await slow.metric(displaced("verified"))).toBe(0);
  known.destroy();
  await slow.stop();
});
