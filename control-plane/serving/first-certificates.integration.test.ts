import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, it } from "vitest";
import { IstioCertificateRequestSchema } from "../../mesh/api/gen/ca_pb.ts";
import { CALL_HEADERS, type ControlPlaneFixture, startControlPlaneFixture } from "./control-plane-fixture.ts";

/** Traffic for others, as of a NAT: unlike the rest of 127.0.0.0/8 it is limited. */
const SHARED = "127.0.0.6";
let plane: ControlPlaneFixture;
let session: ClientHttp2Session | undefined;

beforeEach(async () => {
  plane = await startControlPlaneFixture({
    limits: {
      ...{ newConnectionBurst: 3, newConnectionsPerSecond: 0.001 },
      ...{ callBurst: 20, callsPerSecond: 0.001, refusalDelayMs: 10 },
    },
  });
});
afterEach(async () => {
  session?.destroy();
  await plane.stop();
});

/** How a call on a connection of its own ends. */
async function ask(bearer: string): Promise<string> {
  return await plane.ask({ bearer, localAddress: SHARED }).then(
    () => "served",
    (caught: unknown) => (ConnectError.from(caught).code === Code.Unauthenticated ? "refused" : "no connection"),
  );
}

async function askMany(count: number, bearer: string): Promise<readonly string[]> {
  const outcomes: string[] = [];
  for (let index = 0; index < count; index += 1) outcomes.push(await ask(bearer));
  return outcomes;
}

it("a connection that gets a certificate by a token does not count for its address, one with garbage does", async () => {
  expect(new Set(await askMany(8, await plane.token()))).toEqual(new Set(["served"]));
  expect(await askMany(3, "garbage")).toEqual(["refused", "refused", "refused"]);
  expect(await ask(await plane.token())).toBe("no connection");
  expect(await plane.metric('entente_control_plane_connections_refused_total{reason="too_many_new"}')).toBeGreaterThan(
    0,
  );
});

it("one connection is given back once, however many certificates it gets", async () => {
  await askMany(2, "garbage");
  session = plane.dialHttp2({ localAddress: SHARED });
  const csr = plane.csr();
  for (let count = 0; count < 5; count += 1) expect(await requestOn(session, csr, await plane.token())).toBe("0");
  expect(await ask("garbage")).toBe("refused");
  expect(await ask("garbage")).toBe("no connection");
});

/** The status of a request for a certificate on this connection. */
async function requestOn(connection: ClientHttp2Session, csr: string, token: string): Promise<string> {
  const message = toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr }));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const stream = connection.request({ ...CALL_HEADERS, authorization: `Bearer ${token}` });
  const trailers = once(stream, "trailers");
  stream.resume().end(Buffer.concat([head, message]));
  const [fields]: Readonly<Record<string, unknown>>[] = await trailers;
  return String(fields?.["grpc-status"]);
}
