import { createHash } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { CURL_CASES } from "./curl-cases-fixture.ts";
import { STREAMED } from "./grpc/grpc-app-fixture.ts";
import { describeGrpcClients } from "./grpc/grpc-clients-fixture.ts";
import type { GrpcJob, GrpcReport } from "./grpc/grpc-program-fixture.ts";
import { type Echo, LARGE_BYTES, type Received } from "./http-app-fixture.ts";
import type { Http2Job, Http2Report } from "./http2-program-fixture.ts";
import { CLIENT_ID, SERVER_ID } from "./manifests-fixture.ts";
import { type ClientMesh, type Hop, startClientMesh, type TrafficCounts, untilServerIsKnown } from "./mesh-fixture.ts";
import { originOf, PORTS } from "./ports-fixture.ts";
import type { UndiciJob, UndiciReport } from "./undici-program-fixture.ts";
import type { WebSocketJob, WebSocketReport } from "./websocket-program-fixture.ts";

const CONTENT = "0123456789abcdef".repeat(12_500);
const CONTENT_FILE = join(tmpdir(), `entente-test-content-${process.pid}`);
const FORGED = `By=${SERVER_ID};URI=spiffe://cluster.local/ns/ns1/sa/another-account`;
const FORGED_HEADER = `x-forwarded-client-cert: ${FORGED}`;
const CURL = ["curl", "--silent", "--show-error", "--verbose", "--max-time", "60", "--header", FORGED_HEADER];
const NOTHING: TrafficCounts = { sent: 0, received: 0 };

const HTTP_PORTS = [
  { name: "a port named http-…", port: PORTS.http },
  { name: "a port without a name", port: PORTS.unnamed },
];

/** `version`: what the application speaks. On a port declared as tcp the connection is a stream. */
const HTTP2_PORTS = [
  { name: "a port named http-…", port: PORTS.http, version: "1.1", counts: "requests" },
  { name: "a port without a declaration", port: PORTS.http2Undeclared, version: "2.0", counts: "requests" },
  { name: "a port named grpc-…", port: PORTS.grpc, version: "2.0", counts: "requests" },
  { name: "a port named tcp-…", port: PORTS.http2OnTcp, version: "2.0", counts: "streams" },
] as const;

let mesh: ClientMesh;
let paths = 0;

beforeAll(async () => {
  writeFileSync(CONTENT_FILE, CONTENT);
  mesh = await startClientMesh();
  await untilServerIsKnown(mesh);
});
afterAll(async () => {
  rmSync(CONTENT_FILE, { force: true });
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

/** A unique path. */
function freshPath(response: string): string {
  paths += 1;
  return `/${response}/${paths}`;
}

function freshPaths(count: number): readonly string[] {
  return Array.from({ length: count }, () => freshPath("whole"));
}

/** Runs curl with the content as its input. */
function curl(args: readonly string[]) {
  return mesh.run(["sh", "-c", `exec "$@" < ${CONTENT_FILE}`, "sh", ...CURL, ...args]);
}

function contentOf(text: string): Pick<Received, "bytes" | "sha256"> {
  return { bytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") };
}

/**
 * The only request that the application received under the path; its identity header contains only the client's
 * identity.
 */
function provedAt(path: string): Received {
  const [received, ...others] = mesh.receivedAt(path);
  if (received === undefined) throw new Error(`the application received nothing under ${path}`);
  expect(others).toEqual([]);
  expect(received.headers["x-forwarded-client-cert"]).toMatch(
    new RegExp(`^By=${SERVER_ID};Hash=[0-9a-f]{64};Subject="";URI=${CLIENT_ID}$`),
  );
  expect(received.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  return received;
}

describe.each(HTTP_PORTS)("HTTP/1.1 through two sidecars, on $name", ({ port }) => {
  const origin = originOf(port);

  it.each(CURL_CASES)("curl: $name", async ({ response, args, method, hasContent, trace, headers }) => {
    const path = freshPath(response);
    const { result, requests, streams } = await mesh.watch(() => curl([...args, `${origin}${path}`]));
    const content = contentOf(hasContent ? CONTENT : "");
    const received = provedAt(path);
    expect(received).toMatchObject({ method, path, ...content, headers: headers ?? {} });
    expect(received.headers).not.toHaveProperty("upgrade");
    expect(result.stderr).toMatch(trace ?? /^< HTTP\/1\.1 200 OK/m);
    if (method === "HEAD") expect(result.stderr).toMatch(/^< content-length: \d{3}/im);
    else {
      const echo: Echo = { method, path, version: received.version, ...content };
      expect(JSON.parse(result.stdout)).toEqual(echo);
      if (response === "large") expect(result.stdout.length).toBe(LARGE_BYTES);
    }
    expect({ requests, streams }).toEqual({ requests: { sent: 1, received: 1 }, streams: NOTHING });
  });

  it("curl: two requests on one connection", async () => {
    const [first, second] = [freshPath("whole"), freshPath("chunked")];
    const urls = [`${origin}${first}`, `${origin}${second}`];
    const { result, requests } = await mesh.watch(() => curl(["--write-out", "\n%{num_connects}\n", ...urls]));
    expect(result.stdout.split("\n").map((line) => JSON.parse(line || "null"))).toMatchObject([
      { path: first },
      1,
      { path: second },
      0,
      null,
    ]);
    expect([provedAt(first), provedAt(second)].length).toBe(2);
    expect(requests).toEqual({ sent: 2, received: 2 });
  });

  it.each([
    { how: "fetch", count: 5, body: CONTENT.slice(0, 50_000), connections: 2 },
    { how: "in turn", count: 10, body: "a little", connections: 1 },
    { how: "pipelined", count: 30, body: "", connections: 1 },
    { how: "parallel", count: 50, body: CONTENT.slice(0, 50_000), connections: 50 },
  ] as const)("undici: $count requests, $how", async ({ how, count, body, connections }) => {
    const job: UndiciJob = { how, origin, paths: freshPaths(count), headers: headersOf(FORGED), body };
    const { result, requests, streams } = await mesh.watch(() =>
      mesh.runProgram<UndiciReport>("undici-program-fixture.ts", job),
    );
    expect(result.connections).toBeLessThanOrEqual(connections);
    expect(result.responses).toEqual(
      job.paths.map((path) => ({
        status: 200,
        echo: { method: body === "" ? "GET" : "POST", path, version: "1.1", ...contentOf(body) },
      })),
    );
    for (const path of job.paths) provedAt(path);
    expect({ requests, streams }).toEqual({ requests: { sent: count, received: count }, streams: NOTHING });
  });

  it("WebSocket: short and long messages in both directions, and the close", async () => {
    const path = freshPath("socket");
    const job: WebSocketJob = {
      url: `${originOf(port, "ws")}${path}`,
      headers: headersOf(FORGED),
      messages: [3, 200, 500_000],
    };
    const { result, requests, streams } = await mesh.watch(() =>
      mesh.runProgram<WebSocketReport>("websocket-program-fixture.ts", job),
    );
    expect(result).toEqual({ saidBack: [true, true, true], isClean: true, code: 1000 });
    expect(provedAt(path).headers).toMatchObject({ upgrade: "websocket" });
    expect({ requests, streams }).toEqual({ requests: { sent: 1, received: 1 }, streams: NOTHING });
  });
});

function headersOf(forged: string): Readonly<Record<string, string>> {
  return { "x-forwarded-client-cert": forged };
}

describe.each(HTTP2_PORTS)("HTTP/2 through two sidecars, on $name", ({ port, version, counts }) => {
  const origin = originOf(port);
  const isParsed = counts === "requests";

  /** A connection that was dialled before the protocol was known, and closed without a request, is ignored. */
  function expectCounted(count: number, { requests, streams }: Pick<Hop<unknown>, "requests" | "streams">): void {
    const [many, one] = [
      { sent: count, received: count },
      { sent: 1, received: 1 },
    ];
    if (isParsed) expect({ requests, streams: streams.sent }).toEqual({ requests: many, streams: 0 });
    else expect({ requests, streams }).toEqual({ requests: NOTHING, streams: one });
  }

  it.each([
    { name: "GET", method: "GET", args: [] },
    { name: "POST of 200 KB", method: "POST", args: ["--data-binary", "@-"] },
  ])("curl: $name", async ({ method, args }) => {
    const path = freshPath("chunked");
    const { result, ...counted } = await mesh.watch(() =>
      curl(["--http2-prior-knowledge", ...args, `${origin}${path}`]),
    );
    const content = contentOf(method === "POST" ? CONTENT : "");
    expect(JSON.parse(result.stdout)).toEqual({ method, path, version, ...content });
    expect(mesh.receivedAt(path).length).toBe(1);
    if (isParsed) provedAt(path);
    expectCounted(1, counted);
  });

  it("node:http2: concurrent requests on one connection, some of which their client cancels", async () => {
    const [paths, cancelled] = [freshPaths(30), Array.from({ length: 4 }, () => freshPath("large"))];
    const job: Http2Job = { origin, headers: headersOf(FORGED), paths, bodyBytes: 50_000, cancelled };
    const { result, ...counted } = await mesh.watch(() =>
      mesh.runProgram<Http2Report>("http2-program-fixture.ts", job),
    );
    const echo = { method: "POST", version, ...contentOf(CONTENT.slice(0, job.bodyBytes)) } as const;
    expect(result).toEqual({
      responses: paths.map((path) => ({ status: 200, echo: { ...echo, path } })),
      ...{ cancelled: cancelled.length, faults: 0 },
    });
    if (isParsed) for (const path of [...paths, ...cancelled]) provedAt(path);
    expectCounted(paths.length + cancelled.length, counted);
  });

  it.skipIf(version === "1.1")("gRPC: twenty concurrent calls and a stream, on one connection", async () => {
    const services = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? "known" : "unknown"));
    const job: GrpcJob = { origin, services };
    const { result, ...counted } = await mesh.watch(() =>
      mesh.runProgram<GrpcReport>("grpc/grpc-program-fixture.ts", job),
    );
    expect(result.statuses).toEqual(services.map((service) => (service === "known" ? 1 : 2)));
    const { messages, characters } = STREAMED;
    expect(result.streamed).toEqual(
      Array.from({ length: messages }, (_, index) => ({ start: `${index}`, characters })),
    );
    expectCounted(services.length + 1, counted);
  });
});

describeGrpcClients(() => mesh, headersOf(FORGED));

describe.each([
  { name: "a port named tcp-…", port: PORTS.smtpOnTcp },
  { name: "a port without a declaration", port: PORTS.smtpUndeclared },
])("a server that speaks first, through two sidecars, on $name", ({ port }) => {
  it("curl: a mail is delivered", async () => {
    const people = ["--mail-from", "a@ns1", "--mail-rcpt", "b@ns2"];
    const { result, requests, streams } = await mesh.watch(() =>
      curl([...people, "--upload-file", "-", originOf(port, "smtp")]),
    );
    expect(result.stderr).toMatch(/^< 220 server\.ns2 speaks first/m);
    expect(mesh.mails().at(-1)).toBe(CONTENT);
    expect({ requests, streams }).toEqual({ requests: NOTHING, streams: { sent: 1, received: 1 } });
  });
});
