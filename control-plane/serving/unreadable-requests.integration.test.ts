import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import {
  CALL_HEADERS,
  type ControlPlaneFixture,
  type FixtureOptions,
  registerTestDiscovery,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";
import { DISCOVER_HEADERS } from "./discover-stream-fixture.ts";

let plane: ControlPlaneFixture;
let session: ClientHttp2Session;
afterEach(async () => {
  session.destroy();
  await plane.stop();
});

async function start(options: FixtureOptions): Promise<void> {
  plane = await startControlPlaneFixture(options);
  session = plane.dialHttp2(await plane.workload());
  await once(session, "remoteSettings");
}

interface Request {
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

/** Sends it and resolves with the end of the response. */
async function send({ headers, bytes }: Request): Promise<{ readonly status: Code; readonly message: string }> {
  const stream = session.request(headers).on("error", () => undefined);
  const ended: Record<string, unknown> = {};
  for (const event of ["response", "trailers"]) stream.on(event, (fields) => Object.assign(ended, fields));
  stream.resume().end(bytes);
  await once(stream, "close");
  return { status: Number(ended["grpc-status"]), message: decodeURIComponent(String(ended["grpc-message"])) };
}

function frame(message: Buffer, length = message.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

interface UnreadableRequest extends Request {
  readonly name: string;
  readonly status: Code;
  /** Within the reason in the log. */
  readonly reason: string;
  /** Of the log line. @default "warn" */
  readonly level?: string;
  /** @default "unreadable_request" */
  readonly code?: string;
}

const METHODS = [
  { method: "CreateCertificate", callHeaders: CALL_HEADERS, options: {} },
  { method: "Discover", callHeaders: DISCOVER_HEADERS, options: { routes: registerTestDiscovery } },
];
const JSON_CONTENT = { "content-type": "application/grpc+json" };
const REQUESTS: readonly UnreadableRequest[] = [
  {
    name: "no Protobuf",
    ...{ headers: {}, bytes: frame(Buffer.alloc(40, 0xff)), status: Code.InvalidArgument, reason: "parse binary" },
  },
  {
    name: "no JSON",
    ...{ headers: JSON_CONTENT, bytes: frame(Buffer.from("{")), status: Code.InvalidArgument, reason: "JSON" },
  },
  {
    name: "too large",
    ...{ headers: {}, bytes: frame(Buffer.alloc(10), 70_000), status: Code.ResourceExhausted, reason: "70000" },
  },
  {
    name: "cut off",
    // A caller that disconnects is not worth a warning.
    ...{ level: "debug", code: "cut_off_request" },
    ...{ headers: {}, bytes: frame(Buffer.alloc(10), 20), status: Code.InvalidArgument, reason: "incomplete" },
  },
  {
    name: "compressed in a way that is not known",
    headers: { "grpc-encoding": "lz9" },
    ...{ bytes: frame(Buffer.alloc(0)), status: Code.Unimplemented, reason: "lz9" },
  },
];

describe.each(METHODS)("a request for $method", ({ callHeaders, options }) => {
  it.each(REQUESTS)("that is $name is refused without a reason, which only the log contains", async (request) => {
    await start(options);
    const headers = { ...callHeaders, ...request.headers };
    expect(await send({ headers, bytes: request.bytes })).toEqual({
      status: request.status,
      message: "the request cannot be read",
    });
    const line = await plane.log.seen(request.code ?? "unreadable_request");
    expect(line).toMatchObject({
      level: request.level ?? "warn",
      fields: { peer: "spiffe://cluster.local/ns/ns1/sa/default", address: "127.0.0.1" },
    });
    expect(line.fields["reason"]).toContain(request.reason);
    expect(line.fields["url"]).toContain(callHeaders[":path"]);
  });

  it("that cannot be read has a line within the limit of log lines", async () => {
    await start({ ...options, limitLog: createLogLimiter(new FakeClock(), 5) });
    const request = { headers: callHeaders, bytes: frame(Buffer.alloc(40, 0xff)) };
    await Promise.all(Array.from({ length: 12 }, () => send(request)));
    expect(plane.log.find("unreadable_request")).toHaveLength(5);
  });
});

it("an unauthenticated caller's request is refused in the same way, and the log has the address", async () => {
  plane = await startControlPlaneFixture();
  session = plane.dialHttp2({ localAddress: "127.0.0.9" });
  const { message } = await send({ headers: CALL_HEADERS, bytes: frame(Buffer.alloc(40, 0xff)) });
  expect(message).toBe("the request cannot be read");
  const { fields } = await plane.log.seen("unreadable_request");
  expect([fields["peer"], fields["address"]]).toEqual([undefined, "127.0.0.9"]);
});
