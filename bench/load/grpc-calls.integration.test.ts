import { once } from "node:events";
import { createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { type Child, startChild } from "../processes/child.ts";
import { findGrpcFault, openGrpcClient, watchGrpcStatus } from "./grpc-client.ts";
import { UNARY_MESSAGE } from "./grpc-messages.ts";

const BACKEND = fileURLToPath(new URL("grpc-backend-process.ts", import.meta.url));
let backend: Child | undefined;
let server: Http2Server | undefined;

afterEach(async () => {
  await backend?.stop();
  server?.close();
  [backend, server] = [undefined, undefined];
});

/** Every call gets a message and then this. */
async function serve(end: (stream: ServerHttp2Stream) => void): Promise<number> {
  server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => end(stream));
    stream.end(UNARY_MESSAGE);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return address === null || typeof address === "string" ? 0 : address.port;
}

describe("the gRPC backend", () => {
  it("answers a unary call, and a stream that is larger than every window, with grpc-status 0", async () => {
    backend = await startChild({ command: [process.execPath, BACKEND], readiness: "line" });
    const client = openGrpcClient({ port: Number(backend.firstLine) });
    const [unary, stream] = await Promise.all([client.call(0), client.call(1000)]);
    client.close();
    expect(unary).toEqual({ httpStatus: 200, grpcStatus: "0", messages: 1, bytes: 18 });
    expect(stream).toEqual({ httpStatus: 200, grpcStatus: "0", messages: 1000, bytes: 4_096_000 });
  });
});

describe("the watch on grpc-status beside a load", () => {
  it("finds nothing where every call succeeds", async () => {
    const port = await serve((stream) => stream.sendTrailers({ "grpc-status": "0" }));
    expect(await watchGrpcStatus(port, Promise.resolve())).toBeUndefined();
  });

  it.each([
    { name: "a status that is not 0", trailers: { "grpc-status": "14" }, fault: /the grpc-status is 14/ },
    { name: "no status", trailers: { other: "x" }, fault: /the grpc-status is undefined/ },
  ])("finds $name behind a whole message", async ({ trailers, fault }) => {
    const port = await serve((stream) => stream.sendTrailers(trailers));
    expect(await watchGrpcStatus(port, new Promise(() => undefined))).toMatch(fault);
  });

  it("finds a call that was cut", async () => {
    const port = await serve((stream) => stream.close(2));
    expect(await watchGrpcStatus(port, new Promise(() => undefined))).toMatch(/grpc-status is undefined/);
  });
});

it.each([
  { name: "another HTTP status", change: { httpStatus: 503 }, fault: "the HTTP status is 503" },
  { name: "fewer messages", change: { messages: 1 }, fault: "1 messages came instead of 2" },
])("$name is a fault", ({ change, fault }) => {
  expect(findGrpcFault({ httpStatus: 200, grpcStatus: "0", messages: 2, bytes: 36, ...change }, 2)).toBe(fault);
});
