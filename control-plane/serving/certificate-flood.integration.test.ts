import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, it } from "vitest";
import { IstioCertificateRequestSchema } from "../../mesh/api/gen/ca_pb.ts";
import { CALL_HEADERS, type ControlPlaneFixture, startControlPlaneFixture } from "./control-plane-fixture.ts";

const HONEST = 20;
const FLOOD = 1000;
let plane: ControlPlaneFixture;
let sessions: ClientHttp2Session[] = [];

beforeEach(async () => {
  plane = await startControlPlaneFixture({
    limits: { callBurst: 50, callsPerSecond: 1, refusalDelayMs: 50, maxStreamsOfVerified: 1024 },
  });
});
afterEach(async () => {
  for (const session of sessions) session.destroy();
  sessions = [];
  await plane.stop();
});

/** One pod's connection, with a workload's certificate. */
async function dial(localAddress: string): Promise<ClientHttp2Session> {
  const session = plane.dialHttp2({ ...(await plane.workload()), localAddress });
  sessions.push(session);
  await once(session, "remoteSettings");
  return session;
}

/** A renewal; resolves with its status. */
async function renew(session: ClientHttp2Session, csr: string): Promise<string> {
  const message = toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const stream = session.request(CALL_HEADERS).on("error", () => undefined);
  const statuses: string[] = [];
  const note = (headers: Readonly<Record<string, unknown>>): void => {
    if (headers["grpc-status"] !== undefined) statuses.push(String(headers["grpc-status"]));
  };
  stream.on("response", note);
  stream.on("trailers", note);
  stream.resume().end(Buffer.concat([head, message]));
  await once(stream, "close").catch(() => undefined);
  return statuses[0] ?? "closed";
}

it("one caller that floods the authority with requests is limited, and twenty others all get their certificates", async () => {
  const csr = plane.csr();
  const greedy = await dial("127.0.0.1");
  const honest: ClientHttp2Session[] = [];
  for (let pod = 1; pod <= HONEST; pod += 1) honest.push(await dial(`127.0.1.${pod}`));
  const flood = Promise.all(Array.from({ length: FLOOD }, () => renew(greedy, csr)));
  const outcomes = await Promise.all(honest.map((session) => renew(session, csr)));
  expect(outcomes).toEqual(Array.from({ length: HONEST }, () => "0"));
  const signed = (await flood).filter((outcome) => outcome === "0").length;
  expect(signed).toBeGreaterThan(0);
  expect(signed).toBeLessThan(100);
  const audits = plane.log.records.filter(({ fields }) => fields["code"] === "issued");
  expect(audits.filter(({ fields }) => fields["address"] !== "127.0.0.1")).toHaveLength(HONEST);
  expect(audits).toHaveLength(HONEST + signed);
});

it("what a flooding caller is refused tells it to wait, and the number is a metric", async () => {
  const csr = plane.csr();
  const greedy = await dial("127.0.0.1");
  const outcomes = await Promise.all(Array.from({ length: 120 }, () => renew(greedy, csr)));
  const refused = outcomes.filter((outcome) => outcome === String(Code.ResourceExhausted));
  expect(refused.length).toBeGreaterThan(30);
  expect(await plane.metric('entente_control_plane_calls_refused_total{peer="verified"}')).toBe(refused.length);
});

it("when more calls wait than there are places, the caller with the most is refused, and another one is served", async () => {
  await plane.stop();
  plane = await startControlPlaneFixture({
    limits: { callBurst: 200, maxStreamsOfVerified: 1024, maxWaitingCalls: 10, refusalDelayMs: 50 },
  });
  const csr = plane.csr();
  const [greedy, honest] = [await dial("127.0.0.1"), await dial("127.0.0.2")];
  // After the SETTINGS of a verified peer.
  await new Promise((resolve) => greedy.ping(resolve));
  // Headers alone, in one record of TLS: all of them arrive in the same moment.
  const flood = Array.from({ length: 100 }, () => greedy.request(CALL_HEADERS, { endStream: true }));
  const statuses = await Promise.all(
    flood.map(async (stream) => {
      const [headers] = await once(stream.resume(), "response");
      return Number(headers["grpc-status"]);
    }),
  );
  const refused = statuses.filter((status) => status === Code.ResourceExhausted);
  expect(refused).toHaveLength(90);
  expect(await plane.metric('entente_control_plane_calls_crowded_out_total{peer="verified"}')).toBe(90);
  expect(await renew(honest, csr)).toBe("0");
  expect(await plane.metric('entente_control_plane_calls_waiting{peer="verified"}')).toBe(0);
});
