import { once } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import type { UpstreamHttpVersion } from "../../../mesh/policy/types.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, sendRaw } from "../../../net/raw-client-fixture.ts";
import { FRAME } from "../../http2/frames/frame-types.ts";
import { HELLO, meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { dialHttp2, requestOf } from "../raw-http2-client-fixture.ts";
import { type Http2ServerOptions, listenUpstream, startHttp2Server } from "./http2-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A sidecar of a client whose requests go to one HTTP/2 server behind mutual TLS. */
async function startHop(options: Http2ServerOptions, httpVersion: UpstreamHttpVersion = "2") {
  const server = await startHttp2Server(cleanup, options);
  const mutualTls = options.alpn !== "plaintext";
  const overrides = { protocol: "http", connectionPool: { httpVersion } } as const;
  const side = await startOutboundSide(cleanup, {
    destination: meshDestination([server.port], { mutualTls, overrides }),
  });
  return { server, side };
}

/** Responds with what it has received. */
async function echo(stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>): Promise<void> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const trailers: unknown[] = [];
  stream.on("trailers", (received) => trailers.push({ ...received }));
  await once(stream, "end");
  const body = JSON.stringify({ headers: { ...headers }, content: Buffer.concat(chunks).toString(), trailers });
  stream.respond({ ":status": 200, "content-length": body.length });
  stream.end(body);
}

function bodyOf(answer: string) {
  const text = answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1);
  return JSON.parse(text) as { headers: Record<string, string>; content: string; trailers: unknown[] };
}

describe("a request of HTTP/1.1 over an HTTP/2 hop", () => {
  it("arrives with its fields in lower case, without those of its connection", async () => {
    const { side, server } = await startHop({ onStream: echo });
    const text =
      "GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nX-Mixed: Case\r\nCookie: a=1; b=2\r\nKeep-Alive: timeout=5\r\n" +
      "X-Private: 1\r\nConnection: close, x-private\r\n\r\n";
    const { headers } = bodyOf(await sendRaw(cleanup, side.port, text));
    expect(headers).toMatchObject({
      ":method": "GET",
      ":path": "/a?b=c",
      ":authority": "shop.example",
      ":scheme": "http",
      "x-mixed": "Case",
      cookie: "a=1; b=2",
      "x-forwarded-proto": "http",
    });
    expect(headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    for (const name of ["host", "connection", "keep-alive", "x-private"]) expect(headers).not.toHaveProperty(name);
    expect(server.offered).toEqual([["istio-h2", "istio-http/1.1", "istio", "h2"]]);
  });

  it("keeps its content without chunk framing, and its trailers", async () => {
    const { side } = await startHop({ onStream: echo });
    const text =
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
      "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n";
    const body = bodyOf(await sendRaw(cleanup, side.port, text));
    expect(body.content).toBe("hello world");
    expect(body.trailers).toEqual([{ "x-sum": "1" }]);
    expect(body.headers).not.toHaveProperty("transfer-encoding");
  });

  it("keeps its declared length", async () => {
    const { side } = await startHop({ onStream: echo });
    const text = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n${"x".repeat(200_000)}`;
    const body = bodyOf(await sendRaw(cleanup, side.port, text));
    expect([body.headers["content-length"], body.content.length]).toEqual(["200000", 200_000]);
  });

  it("shares one connection with all others", async () => {
    const { side, server } = await startHop({ onStream: echo });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        sendRaw(cleanup, side.port, `GET /${at} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
      ),
    );
    expect(answers.map((answer) => bodyOf(answer).headers[":path"])).toEqual(answers.map((_, at) => `/${at}`));
    expect(server.sessions).toHaveLength(1);
  });

  it("gets its response in chunks, with trailers, after the interim ones", async () => {
    const onStream = (stream: ServerHttp2Stream): void => {
      stream.additionalHeaders({ ":status": 103, link: "</s>; rel=preload" });
      stream.respond({ ":status": 200 }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": "2" }));
      stream.end("hello");
    };
    const { side } = await startHop({ onStream });
    const answer = await sendRaw(cleanup, side.port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(answer).toMatch(
      /^HTTP\/1\.1 103 .*link: <\/s>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n.*transfer-encoding: chunked\r\n.*\r\n5\r\nhello\r\n0\r\nx-sum: 2\r\n\r\n$/s,
    );
  });
});

describe("trailers behind a declared length of 0", () => {
  const respondEmpty = (stream: ServerHttp2Stream, trailers: Readonly<Record<string, string>>): void => {
    stream.respond({ ":status": 200, "content-length": 0 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end();
  };

  it("go on between a client and a server of HTTP/2, in both directions", async () => {
    const onStream = async (stream: ServerHttp2Stream): Promise<void> => {
      const [received] = await once(stream, "trailers");
      respondEmpty(stream, { "x-seen": String(received["x-before"]) });
    };
    const { side } = await startHop({ onStream, alpn: "plaintext" });
    const client = await dialHttp2(cleanup, side.port);
    const head = requestOf("/a", [["content-length", "0"]], "POST");
    client.send(client.headers(1, head, { ends: false }));
    await client.until(() => client.frames.some(({ type }) => type === FRAME.settings));
    client.send(client.headers(1, [["x-before", "1"]]));
    expect(await client.ended(1)).toMatchObject({ statuses: ["200"], content: "", trailers: [["x-seen", "1"]] });
  });

  it("are left out of a response of HTTP/1.1, which keeps its length, and its connection serves the next", async () => {
    const { side } = await startHop({ onStream: (stream) => respondEmpty(stream, { "x-after": "1" }) });
    const text = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    const answer = await sendRaw(cleanup, side.port, text);
    expect(answer.match(/HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)*content-length: 0\r\n(?:[^\r]+\r\n)*\r\n/g)).toHaveLength(
      2,
    );
    expect(answer).not.toMatch(/x-after|transfer-encoding/);
  });
});

describe("a peer", () => {
  const GET = "GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

  it("that has only `h2`, as Istio's has, gets HTTP/2", async () => {
    const { side, server } = await startHop({ onStream: echo, alpn: ["h2", "http/1.1"] });
    expect(await sendRaw(cleanup, side.port, GET)).toMatch(/^HTTP\/1\.1 200 /);
    expect(server.sessions).toHaveLength(1);
  });

  it("that does not choose HTTP/2 gets HTTP/1.1", async () => {
    let received = "";
    const port = await listenUpstream(cleanup, ["istio-http/1.1"], (socket) => {
      socket.on("data", (chunk: Buffer) => {
        received += chunk.toString("latin1");
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      });
    });
    const overrides = { protocol: "http", connectionPool: { httpVersion: "2" } } as const;
    const side = await startOutboundSide(cleanup, { destination: meshDestination([port], { overrides }) });
    expect(await sendRaw(cleanup, side.port, GET)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(received).toMatch(/^GET \/a HTTP\/1\.1\r\n/);
  });

  it("without mutual TLS gets HTTP/2 with prior knowledge where a rule says so", async () => {
    const { side, server } = await startHop({ onStream: echo, alpn: "plaintext" });
    expect(await sendRaw(cleanup, side.port, GET)).toMatch(/^HTTP\/1\.1 200 /);
    expect(server.sessions).toHaveLength(1);
  });

  it("that may no longer represent the destination is cut off with its shared connection", async () => {
    const { side, server } = await startHop({ onStream: () => undefined });
    const answer = sendRaw(cleanup, side.port, GET);
    await expect.poll(() => server.sessions.length).toBe(1);
    await expect.poll(() => side.registry.size).toBe(2);
    const overrides = { protocol: "http", connectionPool: { httpVersion: "2" } } as const;
    side.setDestination(meshDestination([server.port], { identities: [HELLO], overrides }));
    expect(await answer).not.toMatch(/^HTTP\/1\.1 200/);
    await expect.poll(() => side.registry.size).toBe(0);
    expect(await sendRaw(cleanup, side.port, GET)).toMatch(/^HTTP\/1\.1 503 /);
  });

  it("gets no more requests at a time than the destination's rule allows: 503 with the flag UO", async () => {
    const server = await startHttp2Server(cleanup, { onStream: () => undefined });
    const overrides = { protocol: "http", connectionPool: { httpVersion: "2", maxRequests: 1 } } as const;
    const side = await startOutboundSide(cleanup, { destination: meshDestination([server.port], { overrides }) });
    const first = await dialRaw(cleanup, side.port);
    first.write(GET);
    await expect.poll(() => server.sessions.length).toBe(1);
    expect(await sendRaw(cleanup, side.port, GET)).toMatch(/^HTTP\/1\.1 503 .*upstream overflow/s);
    expect(side.http.counted).toMatchObject([{ status: 503, flags: "UO" }]);
  });
});
