import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { until } from "../../../net/until-fixture.ts";
import { dataFrame, resetFrame, windowUpdateFrame } from "../../http2/frames/frame-fixture.ts";
import { ERROR_CODE } from "../../http2/frames/frame-types.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { listen } from "../../raw-sockets-fixture.ts";
import { dialHttp2, requestOf } from "../raw-http2-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** An HTTP/1.1 application behind the server's sidecar. */
async function start(reply: Reply = OK_REPLY) {
  const upstream = await startLenientUpstream(cleanup, reply);
  return { upstream, ...(await connectTo(upstream.port)) };
}

async function connectTo(applicationPort: number, options: Parameters<typeof dialHttp2>[2] = {}) {
  const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, protocol: "http" });
  return { side, client: await dialHttp2(cleanup, side.port, options) };
}

interface RawApplication {
  readonly port: number;
  readonly sockets: readonly Socket[];
  /** Those that have closed. */
  readonly ends: readonly Socket[];
  readonly received: () => string;
}

/** An application that does what the test says with each connection, and records what it receives. */
async function startRaw(onData: (socket: Socket, text: string) => void): Promise<RawApplication> {
  const sockets: Socket[] = [];
  const ends: Socket[] = [];
  let received = "";
  const port = await listen(cleanup, (socket) => {
    sockets.push(socket);
    socket.on("close", () => ends.push(socket));
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      onData(socket, received);
    });
  });
  return { port, sockets, ends, received: () => received };
}

/** Waits until a number no longer changes. */
async function untilStill(read: () => number): Promise<number> {
  let before = Number.NaN;
  await until(async () => {
    const isStill = read() === before;
    before = read();
    await sleep(200);
    return isStill;
  });
  return before;
}

const POST = requestOf("/a", [], "POST");
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("a request of HTTP/2 for an HTTP/1.1 application", () => {
  it("gets its response, and its authority arrives as Host", async () => {
    const { client, upstream } = await start();
    const response = await client.ask(1, requestOf("/a?b=1"));
    expect(response).toMatchObject({ statuses: ["200"], content: "served GET /a?b=1 HTTP/1.1", resetCode: undefined });
    expect(upstream.executed[0]?.head).toMatch(/^GET \/a\?b=1 HTTP\/1\.1\r\nhost: shop\.example\r\n/);
  });

  it("has others in progress beside it on its connection", async () => {
    const { client } = await start();
    const paths = ["/1", "/2", "/3"];
    client.send(...paths.map((path, index) => client.headers(2 * index + 1, requestOf(path))));
    const responses = await Promise.all([client.ended(1), client.ended(3), client.ended(5)]);
    expect(responses.map(({ content }) => content)).toEqual(paths.map((path) => `served GET ${path} HTTP/1.1`));
  });

  it("does not wait for a slower one that began earlier", async () => {
    const { client } = await start((request, socket) =>
      request.line.includes("/slow") ? undefined : OK_REPLY(request, socket),
    );
    client.send(client.headers(1, requestOf("/slow")));
    expect((await client.ask(3, requestOf("/fast"))).statuses).toEqual(["200"]);
    expect(client.response(1).statuses).toEqual([]);
  });

  it("brings its trailers behind its content, and gets those of the response", async () => {
    const reply = `${CHUNKED}2\r\nhi\r\n0\r\nX-After: 2\r\n\r\n`;
    const { client, upstream } = await start(() => reply);
    client.send(client.headers(1, POST, { ends: false }), dataFrame(1, "abc"), client.headers(1, [["x-before", "1"]]));
    const response = await client.ended(1);
    expect(response.content).toBe("hi");
    expect(response.trailers).toEqual([["x-after", "2"]]);
    expect(upstream.executed[0]?.body).toBe("3\r\nabc\r\n0\r\nx-before: 1\r\n\r\n");
  });

  it("gets interim responses before the final one", async () => {
    const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </s>\r\n\r\n";
    const { client } = await start((...args) => interim + (OK_REPLY(...args) ?? ""));
    const response = await client.ask(1, requestOf("/a", [["expect", "100-continue"]], "POST"), "abc");
    expect(response.statuses).toEqual(["100", "103", "200"]);
  });

  it.each([
    { status: "204 No Content", method: "GET", fields: "" },
    { status: "304 Not Modified", method: "GET", fields: "Content-Length: 5\r\n" },
    { status: "200 OK", method: "HEAD", fields: "Content-Length: 5\r\n" },
    { status: "200 OK", method: "GET", fields: "Content-Length: 0\r\n" },
  ])("gets a response without content as one frame: $method $status", async ({ status, method, fields }) => {
    const { client } = await start(() => `HTTP/1.1 ${status}\r\n${fields}\r\n`);
    const response = await client.ask(1, requestOf("/a", [], method));
    expect(response).toMatchObject({ statuses: [status.slice(0, 3)], content: "", hasEnded: true });
    const ofStream = client.frames.filter(({ streamId }) => streamId === 1);
    expect(ofStream).toHaveLength(1);
  });

  it("gets its fields without those of an HTTP/1.1 connection", async () => {
    const fields = "Keep-Alive: timeout=9\r\nConnection: keep-alive, X-Own\r\nX-Own: 1\r\nX-Kept: 2\r\nHost: a\r\n";
    const forged = "X-Forwarded-Client-Cert: a\r\nX-Entente-Delivery: undelivered\r\n";
    const { client } = await start(() => `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${fields}${forged}\r\n`);
    const response = await client.ask(1, requestOf());
    expect(response.fields).toEqual([
      ["content-length", "0"],
      ["x-kept", "2"],
    ]);
  });

  it("gets a local reply while its application is away, and its connection serves the next", async () => {
    const port = await listen(cleanup, (socket) => socket.destroy());
    const { client, side } = await connectTo(port);
    const response = await client.ask(1, requestOf("/a", [], "POST"), "abc");
    expect(response.statuses).toEqual(["503"]);
    expect(response.content).toContain("upstream reset");
    expect((await client.ask(3, requestOf())).statuses).toEqual(["503"]);
    expect(side.http.counted.map(({ status, flags }) => [status, flags])).toEqual([
      [503, "UC"],
      [503, "UC"],
    ]);
  });

  it("has a direction of content each way, at the same time", async () => {
    const application = await startRaw((socket, text) => {
      if (text.endsWith("\r\n\r\n") && socket.bytesWritten === 0) socket.write(CHUNKED);
      const last = /\r\n(\w+)\r\n$/.exec(text)?.[1];
      if (last !== undefined) socket.write(`${(last.length + 1).toString(16)}\r\n<${last}\r\n`);
      if (text.endsWith("0\r\n\r\n")) socket.write("0\r\n\r\n");
    });
    const { client } = await connectTo(application.port);
    client.send(client.headers(1, POST, { ends: false }));
    const response = client.response(1);
    await client.until(() => response.statuses.length > 0);
    for (const word of ["one", "two"]) {
      client.send(dataFrame(1, word));
      await client.until(() => response.content.endsWith(`<${word}`));
    }
    client.send(dataFrame(1, "", true));
    await client.ended(1);
    expect(response.content).toBe("<one<two");
  });
});

describe("an exchange that breaks off", () => {
  it("is aborted upstream when its client resets it, and the others go on", async () => {
    const application = await startRaw(() => undefined);
    const { client, side } = await connectTo(application.port);
    client.send(client.headers(1, POST, { ends: false }), client.headers(3, requestOf("/b")));
    await until(() => application.sockets.length === 2);
    client.send(resetFrame(1, ERROR_CODE.cancel));
    await until(() => application.ends.length === 1);
    expect(client.isClosed).toBe(false);
    expect(side.http.counted.map(({ status, flags }) => [status, flags])).toEqual([[0, "DR"]]);
    application.sockets.find((socket) => !socket.destroyed)?.write("HTTP/1.1 204 No Content\r\n\r\n");
    expect((await client.ended(3)).statuses).toEqual(["204"]);
  });

  it("is reset with INTERNAL_ERROR when the application is lost behind the head, and the others go on", async () => {
    const application = await startRaw((socket, text) => {
      if (!text.includes("/b")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
      else socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    const { client, side } = await connectTo(application.port);
    client.send(client.headers(1, requestOf("/a")));
    const response = client.response(1);
    await client.until(() => response.content === "abc");
    application.sockets[0]?.destroy();
    await client.ended(1);
    expect(response).toMatchObject({ resetCode: ERROR_CODE.internalError, hasEnded: false });
    expect((await client.ask(3, requestOf("/b"))).statuses).toEqual(["204"]);
    expect(side.http.counted[0]).toMatchObject({ status: 200, flags: "UC" });
  });

  it("asks its client to stop with NO_ERROR when the response is complete before the request", async () => {
    const { client } = await start();
    const application = await startRaw((socket, text) => {
      if (text.endsWith("\r\n\r\n")) socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    });
    const other = await connectTo(application.port);
    other.client.send(other.client.headers(1, POST, { ends: false }));
    const response = other.client.response(1);
    await other.client.until(() => response.resetCode !== undefined);
    expect(response).toMatchObject({ statuses: ["413"], content: "no", hasEnded: true, resetCode: ERROR_CODE.noError });
    await until(() => application.ends.length === 1);
    expect((await client.ask(1, requestOf())).statuses).toEqual(["200"]);
  });

  it("reaches no application as a complete request when its client disconnects in its middle", async () => {
    const application = await startRaw(() => undefined);
    const { client, side } = await connectTo(application.port);
    client.send(client.headers(1, POST, { ends: false }), dataFrame(1, "abc"));
    await until(() => application.received().includes("abc"));
    client.socket.destroy();
    await until(() => application.ends.length === 1);
    expect(application.received()).not.toContain("0\r\n\r\n");
    await until(() => side.registry.size === 0);
    expect(side.http.counted).toMatchObject([{ status: 0, flags: "DC" }]);
  });

  it("of more content than its length is reset, and its application gets no complete request", async () => {
    const application = await startRaw(() => undefined);
    const { client, side } = await connectTo(application.port);
    client.send(client.headers(1, requestOf("/a", [["content-length", "3"]], "POST"), { ends: false }));
    await until(() => application.sockets.length === 1);
    client.send(dataFrame(1, "abcd"));
    expect((await client.ended(1)).resetCode).toBe(ERROR_CODE.protocolError);
    await until(() => application.ends.length === 1);
    expect(application.received()).not.toContain("abc");
    expect(side.recorder.faults).toEqual(["bad_content_length"]);
  });
});

describe("backpressure", () => {
  it("an application that does not read closes the stream's window, and no other's", async () => {
    let isSlow = true;
    const application = await startRaw((socket) => {
      if (socket !== application.sockets[0]) socket.write("HTTP/1.1 204 No Content\r\n\r\n");
      else if (isSlow) socket.pause();
    });
    const { side } = await connectTo(application.port);
    const session = connectHttp2(`http://127.0.0.1:${side.port}`);
    cleanup.add(() => session.destroy());
    const upload = session.request({ ":method": "POST", ":path": "/slow" });
    let written = 0;
    const pump = (): void => {
      for (let hasRoom = true; hasRoom; written += 16_000) hasRoom = upload.write(Buffer.alloc(16_000));
      upload.once("drain", pump);
    };
    pump();
    await untilStill(() => written);
    // Sockets' buffers and the stream's window.
    expect(written).toBeLessThan(16_000_000);
    const other = session.request({ ":path": "/b" });
    const [head] = await once(other, "response");
    expect(head).toMatchObject({ ":status": 204 });
    isSlow = false;
    const before = written;
    application.sockets[0]?.resume();
    await until(() => written > 2 * before);
  });

  it("uploads that wait do not take the connection's window from others", async () => {
    const application = await startRaw((socket, text) => {
      const isUpload = application.sockets.indexOf(socket) < 20;
      if (isUpload) socket.pause();
      else if (text.endsWith("0\r\n\r\n")) socket.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
    const { side } = await connectTo(application.port);
    const session = connectHttp2(`http://127.0.0.1:${side.port}`, { maxSessionMemory: 1000 });
    cleanup.add(() => session.destroy());
    const uploads = Array.from({ length: 20 }, () => session.request({ ":method": "POST", ":path": "/slow" }));
    for (const upload of uploads) {
      upload.on("error", () => undefined);
      upload.write(Buffer.alloc(8_000_000));
    }
    // Each holds a stream's window; together they would hold more than the connection's.
    await untilStill(() => side.registry.list().reduce((sum, connection) => sum + connection.bytes().received, 0));
    const other = session.request({ ":method": "POST", ":path": "/b" });
    other.end(Buffer.alloc(200_000));
    const [head] = await once(other, "response");
    expect(head).toMatchObject({ ":status": 204 });
  });

  it("a client that grants no window pauses its application, and gets everything in the end", async () => {
    const size = 20_000_000;
    const application = await startRaw((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
      socket.write(Buffer.alloc(size, "x"));
    });
    const { client } = await connectTo(application.port, { grantsWindows: false });
    client.send(client.headers(1, requestOf()));
    const response = client.response(1);
    await client.until(() => response.content.length === 65_535);
    await until(() => (application.sockets[0]?.writableLength ?? 0) > 0);
    const rest = await untilStill(() => application.sockets[0]?.writableLength ?? 0);
    expect(rest).toBeGreaterThan(size / 2);
    client.send(windowUpdateFrame(0, size), windowUpdateFrame(1, size));
    await client.ended(1);
    expect(response.content).toHaveLength(size);
  });
});
