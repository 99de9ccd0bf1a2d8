import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startFastClock } from "../../../net/fast-clock-fixture.ts";
import { OK_REPLY, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { until } from "../../../net/until-fixture.ts";
import { dataFrame, pingFrame, rawFrame, resetFrame, settingsFrame } from "../../http2/frames/frame-fixture.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME } from "../../http2/frames/frame-types.ts";
import { HTTP2_LIMITS } from "../../http2/http2-limits.ts";
import { type InboundSideOptions, startInboundSide } from "../../inbound-side-fixture.ts";
import { connectClient, listen } from "../../raw-sockets-fixture.ts";
import { dialHttp2, RawHttp2Client, requestOf } from "../raw-http2-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const SILENT: Reply = () => undefined;

async function start(reply: Reply = OK_REPLY, options: Partial<InboundSideOptions> = {}) {
  const upstream = await startLenientUpstream(cleanup, reply);
  const side = await startInboundSide(cleanup, {
    mode: "PERMISSIVE",
    applicationPort: upstream.port,
    protocol: "http",
    ...options,
  });
  return { upstream, side, client: await dialHttp2(cleanup, side.port) };
}

const POST = requestOf("/a", [], "POST");

describe("time limits", () => {
  let clock: FakeClock;
  beforeEach(() => {
    clock = startFastClock(cleanup);
  });

  it("a header block that stays incomplete ends its connection, however slowly it grows", async () => {
    const { client, side } = await start(OK_REPLY, { clock, http: { limits: { headTimeoutMs: 700 } } });
    await client.until(() => client.frames.some(({ type, flags }) => type === FRAME.settings && flags === FLAG.ack));
    client.send(rawFrame(FRAME.headers, FLAG.endStream, 1, client.block(requestOf()).subarray(0, 3)));
    const rest = rawFrame(FRAME.continuation, FLAG.endHeaders, 1, "a".repeat(100));
    let at = 0;
    const drip = (): void => {
      if (client.isClosed) return;
      client.send(rest.subarray(at, at + 1));
      at += 1;
      clock.setTimeout(drip, 100);
    };
    drip();
    await client.closed();
    expect(client.goaways.at(-1)?.code).toBe(ERROR_CODE.enhanceYourCalm);
    expect(side.recorder.faults).toEqual(["head_timeout"]);
  });

  it("a client that is silent in the middle of its content loses this request alone", async () => {
    const reply: Reply = (request, socket) => (request.line.includes("/next") ? OK_REPLY(request, socket) : undefined);
    const { client, side, upstream } = await start(reply, { clock, http: { limits: { bodyIdleMs: 700 } } });
    client.send(client.headers(1, POST, { ends: false }), dataFrame(1, "abc"));
    client.send(client.headers(3, requestOf("/slow")));
    expect((await client.ended(1)).resetCode).toBe(ERROR_CODE.cancel);
    expect(side.http.counted).toMatchObject([{ status: 0, flags: "SI" }]);
    expect((await client.ask(5, requestOf("/next"))).statuses).toEqual(["200"]);
    // The other request is whole: it waits for its application.
    expect(client.response(3)).toMatchObject({ statuses: [], resetCode: undefined });
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /slow HTTP/1.1", "GET /next HTTP/1.1"]);
  });

  it("a stream whose response has begun may be silent: calls of gRPC last for days", async () => {
    const side = await startInboundSide(cleanup, {
      mode: "PERMISSIVE",
      applicationPort: await startBeginner(),
      ...{ protocol: "http", clock },
      http: { limits: { bodyIdleMs: 700 } },
    });
    const client = await dialHttp2(cleanup, side.port);
    client.send(client.headers(1, POST, { ends: false }));
    await client.until(() => client.response(1).content !== "");
    const other = await dialHttp2(cleanup, side.port);
    other.send(other.headers(1, requestOf("/never", [], "POST"), { ends: false }));
    // The limit has passed for the request that has no response.
    expect((await other.ended(1)).resetCode).toBe(ERROR_CODE.cancel);
    expect(client.response(1)).toMatchObject({ resetCode: undefined, hasEnded: false });
    client.send(dataFrame(1, "x", true));
    expect((await client.ended(1)).content).toBe("begun");
    expect(side.recorder.faults).toEqual([]);
  });

  it("an idle connection is told to leave, and closed", async () => {
    const { client, side } = await start(OK_REPLY, { clock, http: { limits: { downstreamIdleMs: 700 } } });
    await client.ask(1, requestOf());
    await client.closed();
    expect(client.goaways.map(({ lastId, code }) => [lastId, code])).toEqual([
      [0x7fffffff, ERROR_CODE.noError],
      [1, ERROR_CODE.noError],
    ]);
    await until(() => side.registry.size === 0);
  });
});

/** An application that begins its response before the request is complete, but for /never. */
async function startBeginner(): Promise<number> {
  return await listen(cleanup, (socket) => {
    let text = "";
    socket.on("data", (chunk) => {
      const before = text;
      text += chunk.toString("latin1");
      if (text.includes("/never")) return;
      if (before === "") socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
      if (text.endsWith("0\r\n\r\n")) socket.write("0\r\n\r\n");
    });
  });
}

describe("limits of work", () => {
  it("a client has at most 128 requests at once; more are refused, and may be sent again", async () => {
    const { client, upstream, side } = await start(SILENT);
    const count = HTTP2_LIMITS.maxConcurrentStreams + 3;
    client.send(...Array.from({ length: count }, (_, index) => client.headers(2 * index + 1, requestOf(`/${index}`))));
    for (let extra = count - 3; extra < count; extra += 1) {
      expect((await client.ended(2 * extra + 1)).resetCode).toBe(ERROR_CODE.refusedStream);
    }
    await until(() => upstream.executed.length === HTTP2_LIMITS.maxConcurrentStreams);
    expect(side.recorder.faults).toEqual(["too_many_streams", "too_many_streams", "too_many_streams"]);
  });

  it("rapid resets end the connection, and their work upstream (CVE-2023-44487)", async () => {
    const { client, upstream, side } = await start(SILENT);
    const frames = Array.from({ length: 400 }, (_, index) => 2 * index + 1).flatMap((id) => [
      client.headers(id, requestOf(`/${id}`)),
      resetFrame(id),
    ]);
    for (let at = 0; at < frames.length; at += 2) client.send(...frames.slice(at, at + 2));
    await client.closed();
    expect(client.goaways.at(-1)?.code).toBe(ERROR_CODE.enhanceYourCalm);
    expect(side.recorder.faults).toContain("http2_flood");
    await until(() => upstream.connections === 0);
    await until(() => side.registry.size === 0);
  });

  it("malformed requests that we must reset count as well (CVE-2025-8671)", async () => {
    const { client } = await start();
    for (let id = 1; id < 1000 && !client.isClosed; id += 2)
      client.send(client.headers(id, requestOf("/", [["te", "x"]])));
    await client.closed();
    expect(client.goaways.at(-1)?.code).toBe(ERROR_CODE.enhanceYourCalm);
  });

  it("PINGs without end end their connection (CVE-2019-9512)", async () => {
    const { client, side } = await start();
    for (let burst = 0; burst < 200; burst += 1) client.send(...Array.from({ length: 50 }, () => pingFrame()));
    await client.closed();
    expect(side.recorder.faults).toEqual(["http2_flood"]);
  });

  it("a connection error is reported, and says why", async () => {
    const { client, side } = await start();
    client.send(dataFrame(7, "abc"));
    await client.closed();
    expect(client.goaways.at(-1)?.code).toBe(ERROR_CODE.protocolError);
    expect(side.recorder.faults).toEqual(["http2_connection_error"]);
  });
});

describe("capacity", () => {
  it("a connection without requests makes room for another, one with requests does not", async () => {
    const { client, side } = await start(SILENT, { maxConnections: 2 });
    client.send(client.headers(1, requestOf("/busy")));
    const idle = await dialHttp2(cleanup, side.port);
    await idle.until(() => idle.frames.length > 0);
    const third = await dialHttp2(cleanup, side.port);
    await idle.closed();
    await third.until(() => third.frames.length > 0);
    expect(client.isClosed).toBe(false);
    expect(side.recorder.cuts).toEqual(["displaced"]);
  });

  it("a connection all of whose requests wait for their content makes room when it has been silent for long", async () => {
    const { client, side } = await start(SILENT, { maxConnections: 1, clock: startFastClock(cleanup) });
    client.send(client.headers(1, POST, { ends: false }), client.headers(3, POST, { ends: false }));
    await until(() => side.registry.list()[0]?.stage === "open");
    await until(async () => {
      const other = new RawHttp2Client(connectClient(cleanup, side.port));
      other.send(CLIENT_PREFACE, settingsFrame());
      await Promise.race([other.closed(), other.until(() => other.frames.length > 0).catch(() => undefined)]);
      return !other.isClosed;
    });
    await client.closed();
    expect(side.recorder.cuts).toContain("displaced");
  });
});

describe("after load", () => {
  it("no connection, no stream and no deadline is left", async () => {
    const clock = new FakeClock();
    const { side, upstream } = await start(
      (request, socket) => (request.line.includes("/lost") ? void socket.destroy() : OK_REPLY(request, socket)),
      { clock },
    );
    const clients = await Promise.all(Array.from({ length: 8 }, () => dialHttp2(cleanup, side.port)));
    await Promise.all(
      clients.map(async (client) => {
        for (let id = 1; id < 200; id += 6) {
          client.send(client.headers(id, POST, { ends: false }), dataFrame(id, "abc", true));
          client.send(client.headers(id + 2, requestOf("/b")), resetFrame(id + 2));
          client.send(client.headers(id + 4, requestOf("/lost")));
          await Promise.all([client.ended(id), client.ended(id + 4)]);
        }
      }),
    );
    for (const client of clients) client.socket.end();
    side.http.closing.abort();
    await until(async () => {
      await clock.advance(500);
      return side.registry.size === 0 && side.http.context.deadlines.size === 0;
    });
    await until(() => upstream.connections === 0);
  });
});
