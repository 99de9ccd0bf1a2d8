import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, it } from "vitest";
import { IstioCertificateRequestSchema } from "../../mesh/api/gen/ca_pb.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import {
  CALL_HEADERS,
  type ControlPlaneFixture,
  closing,
  registerTestDiscovery,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";
import { openDiscoverStream, outcomeOf } from "./discover-stream-fixture.ts";

const CALLS = 8;
/** Pings are answered in real time. */
const limits = { pingIntervalMs: 3_600_000 };
let clock: FakeClock;
let plane: ControlPlaneFixture | undefined;
let session: ClientHttp2Session | undefined;

beforeEach(() => {
  clock = new FakeClock(Date.now());
});
afterEach(async () => {
  session?.destroy();
  const stopped = plane?.stop();
  await clock.advance(10_000);
  await stopped;
});

/** A connection with a certificate, on which no response is read. */
async function dialUnread({ dialTls, workload }: ControlPlaneFixture): Promise<ClientHttp2Session> {
  const certificate = await workload();
  const settings = { initialWindowSize: 0 };
  session = connect("https://localhost", { createConnection: () => dialTls(certificate), settings });
  session.on("error", () => undefined);
  await once(session, "remoteSettings");
  return session;
}

function requestCertificate(to: ClientHttp2Session, csr: string): ClientHttp2Stream {
  const message = toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const stream = to.request(CALL_HEADERS).on("error", () => undefined);
  stream.end(Buffer.concat([head, message]));
  return stream;
}

it("a response that its caller does not read is given up after a minute, and the caller's connection goes on", async () => {
  plane = await startControlPlaneFixture({ clock, limits });
  const own = await dialUnread(plane);
  const csr = plane.csr();
  const calls = Array.from({ length: CALLS }, () => requestCertificate(own, csr));
  await Promise.all(calls.map((call) => once(call, "response")));
  await clock.advance(59_000);
  expect(calls.map(({ closed }) => closed)).not.toContain(true);
  await clock.advance(2000);
  await Promise.all(calls.map(closing));
  expect(await plane.metric('entente_control_plane_calls_timed_out_total{peer="verified"}')).toBe(CALLS);
  expect(own.destroyed).toBe(false);
});

it("a stream of requests goes on for as long as its caller wants", async () => {
  plane = await startControlPlaneFixture({ clock, limits, routes: (router) => registerTestDiscovery(router) });
  session = plane.dialHttp2(await plane.workload());
  await once(session, "remoteSettings");
  const watch = openDiscoverStream(session, {
    kind: "destination",
    target: { kind: "address", ip: "192.0.2.1", port: 80 },
  });
  expect(await outcomeOf(watch)).toBe("open");
  await clock.advance(120_000);
  await new Promise((resolve) => session?.ping(resolve));
  expect(watch.closed).toBe(false);
});
