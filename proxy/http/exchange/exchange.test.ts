import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import { type AbortReason, DISCONNECTED } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { Content, RequestHead, ResponseHead } from "../../messages/message-head.ts";
import type { CountedRequest } from "../../telemetry/request-meter.ts";
import { createHttpContext } from "../http-context.ts";
import type { UpstreamConnection } from "../upstream/upstream-connection.ts";
import { UpstreamPool } from "../upstream/upstream-pool.ts";
import { EDITS } from "../upstream/upstream-pool-fixture.ts";
import type { ResponseSink, UpstreamStream } from "../upstream/upstream-stream.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangeClient } from "./exchange-client.ts";
import type { ForwardPlan } from "./request-plan.ts";

const BODY: Content = { kind: "unknown", endsBy: "frames" };

function requestOf(head: Partial<RequestHead> = {}): RequestHead {
  return {
    ...{ version: "2", method: "POST", scheme: "http", authority: "a", path: "/", upgrade: undefined, bytes: 10 },
    ...{ fields: listOf([]), content: BODY, expectsContinue: false, ...head },
  };
}

function responseOf(status = 200): ResponseHead {
  return {
    ...{ version: "2", status, fields: listOf([]), content: BODY, upgrade: undefined, report: undefined },
  };
}

function pieceOf(text: string): BodyPiece {
  return { bytes: Buffer.from(text), ranges: undefined };
}

function trailersText(trailers: Trailers | undefined): string {
  return trailers === undefined ? "" : ` ${trailers.nameAt(0)}=${trailers.valueAt(0)}`;
}

/** A stream of no version: what the exchange does with it, and the sink of its events. */
class FakeStream implements UpstreamStream {
  readonly isReused = false;
  readonly calls: string[] = [];
  sink: ResponseSink | undefined;
  hasRoom = true;
  fails = false;

  cork(): void {}
  uncork(): boolean {
    return this.hasRoom;
  }
  sendHead(sink: ResponseSink, { method }: RequestHead): void {
    if (this.fails) throw new Error("cannot be written");
    this.sink = sink;
    this.calls.push(method);
  }
  sendBody({ bytes }: BodyPiece): boolean {
    this.calls.push(bytes.toString());
    return this.hasRoom;
  }
  sendEnd(trailers: Trailers | undefined): boolean {
    this.calls.push(`end${trailersText(trailers)}`);
    return true;
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  release(): void {
    this.calls.push("release");
  }
  abort({ kind }: AbortReason): void {
    this.calls.push(`abort ${kind}`);
  }
  detach(): undefined {}
}

/** A client of no version. */
class FakeClient {
  readonly calls: string[] = [];
  hasRoom = true;

  asClient(count: (request: CountedRequest) => void): ExchangeClient {
    const say = (text: string): boolean => {
      this.calls.push(text);
      return this.hasRoom;
    };
    return {
      facts: { direction: "outbound", client: "", destination: "", peer: "", meter: () => ({ count }) },
      response: {
        bytes: 0,
        startPacket: () => undefined,
        endPacket: () => true,
        sendInterim: ({ status }) => say(`interim ${status}`),
        sendHead: ({ status }) => say(`${status}`),
        sendBody: ({ bytes }) => say(bytes.toString()),
        sendEnd: (trailers) => void say(`end${trailersText(trailers)}`),
        sendReply: ({ status, flags }) => void say(`reply ${status} ${flags}`),
      },
      pauseReading: () => void say("pause"),
      resumeReading: () => void say("resume"),
      exchangeOver: () => void say("over"),
      abort: ({ kind }) => void say(`abort ${kind}`),
      tunnelTo: () => undefined,
    };
  }
}

/** An exchange of which both sides are fakes. Each attempt takes the next stream. */
function start(head: Partial<RequestHead> = {}, plan: Partial<ForwardPlan> = {}) {
  const clock = new FakeClock();
  const counted: CountedRequest[] = [];
  const meters = { requestMeter: () => ({ count: (one: CountedRequest) => void counted.push(one) }) };
  const context = createHttpContext({ clock, random: () => 0, log: new RecordingLogger(), meters });
  const streams = [new FakeStream(), new FakeStream(), new FakeStream(), new FakeStream()] as const;
  let opened = 0;
  const connection = (dialed: UpstreamConnection["dialed"]): UpstreamConnection => ({
    ...{ dialed, place: { isListed: false, idleSinceMs: undefined }, capacity: 1, isIdle: false, isReusable: true },
    ...{ isLeaving: false, idleMs: 1000, closeIdle: () => undefined },
    openStream: () => streams[opened++] ?? streams[0],
  });
  const pool = new UpstreamPool({
    ...{ deadlines: context.deadlines, random: () => 0, idleQuota: context.idleQuota, describe: () => "" },
    closing: context.drain.closing,
    endpoints: () => ENDPOINTS,
    connect: connection,
    dial: async () => ({
      ...{ kind: "connected", socket: asSocket(new FakeSocket()), protocol: "http1", address: "", peer: "" },
      ...{ idleMs: 1000, isCurrent: () => true, meter: undefined },
    }),
  });
  const client = new FakeClient();
  const exchange = new Exchange(
    client.asClient((one) => void counted.push(one)),
    requestOf(head),
    context,
  );
  exchange.start({
    ...{ kind: "forward", pool, edits: EDITS, responseHeaders: undefined, retries: undefined, timeoutMs: undefined },
    ...{ delayMs: undefined, route: "", cluster: "", ...plan },
  });
  const flags = (): readonly string[] => counted.map((one) => `${one.status} ${one.flags}`);
  return { clock, client, exchange, streams, flags };
}

const ENDPOINTS = [
  { ip: "10.0.0.1", port: 80 },
  { ip: "10.0.0.2", port: 80 },
];

describe("an exchange", () => {
  it("carries bodies and trailers in both directions, and ends once", async () => {
    const { client, exchange, streams, flags } = start();
    exchange.requestBody(pieceOf("early"));
    await settlePromises();
    exchange.requestBody(pieceOf("late"));
    exchange.requestEnd(listOf(["x-sum", "1"]));
    const [stream] = streams;
    stream.sink?.onResponseHead(responseOf(103));
    stream.sink?.onResponseHead(responseOf());
    stream.sink?.onResponseBody(pieceOf("answer"));
    stream.sink?.onResponseEnd(listOf(["grpc-status", "0"]));
    stream.sink?.onResponseEnd(undefined);
    exchange.onClientLost(DISCONNECTED);
    expect(stream.calls).toEqual(["POST", "early", "late", "end x-sum=1", "release"]);
    expect(client.calls).toEqual(["pause", "resume", "interim 103", "200", "answer", "end grpc-status=0", "over"]);
    expect(flags()).toEqual(["200 -"]);
  });

  it("whose request has no content is sent without an end of its own", async () => {
    const { exchange, streams } = start({ content: { kind: "none" } });
    exchange.requestEnd(undefined);
    await settlePromises();
    expect(streams[0].calls).toEqual(["POST"]);
  });

  it("that the server did not process is sent again, body, trailers and all, whatever its method", async () => {
    const { client, exchange, streams, flags } = start();
    await settlePromises();
    exchange.requestBody(pieceOf("body"));
    exchange.requestEnd(listOf(["x-sum", "1"]));
    streams[0].sink?.onUpstreamLost({ kind: "refused" });
    await settlePromises();
    expect(streams[1].calls).toEqual(["POST", "body", "end x-sum=1"]);
    streams[1].sink?.onResponseHead(responseOf());
    streams[1].sink?.onResponseEnd(undefined);
    expect(client.calls.slice(-3)).toEqual(["200", "end", "over"]);
    expect(flags()).toEqual(["200 -"]);
  });

  it("that no server processes gets a local reply in the end", async () => {
    const { client, exchange, streams, flags } = start({ content: { kind: "none" } });
    exchange.requestEnd(undefined);
    for (const stream of streams) {
      await settlePromises();
      stream.sink?.onUpstreamLost({ kind: "refused" });
    }
    expect(client.calls).toEqual(["reply 503 UC", "over"]);
    expect(streams.map(({ calls }) => calls[0])).toEqual(["POST", "POST", "POST", undefined]);
    expect(flags()).toEqual(["503 UC"]);
  });

  it.each<{ reason: AbortReason; flags: string }>([
    { reason: { kind: "disconnected" }, flags: "200 UC" },
    { reason: { kind: "reset", cause: "failed" }, flags: "200 UC" },
    { reason: { kind: "malformed", code: "bad_chunk", message: "" }, flags: "200 UPE" },
  ])(
    "whose response breaks off ($reason.kind) is aborted with that reason, not ended",
    async ({ reason, flags: expected }) => {
      const { client, streams, flags } = start({ content: { kind: "none" } });
      await settlePromises();
      streams[0].sink?.onResponseHead(responseOf());
      streams[0].sink?.onUpstreamLost(reason);
      expect(client.calls).toEqual(["200", `abort ${reason.kind}`]);
      expect(flags()).toEqual([expected]);
    },
  );

  it.each<{ reason: AbortReason; flags: string }>([
    { reason: { kind: "disconnected" }, flags: "0 DC" },
    { reason: { kind: "reset", cause: "cancelled" }, flags: "0 DC" },
    { reason: { kind: "malformed", code: "bad_chunk", message: "" }, flags: "0 DPE" },
    { reason: { kind: "time_limit", limit: "body" }, flags: "0 SI" },
    { reason: { kind: "cut" }, flags: "0 DO" },
  ])(
    "whose client is lost ($reason.kind) aborts its server's part with that reason",
    async ({ reason, flags: expected }) => {
      const { exchange, streams, flags } = start();
      await settlePromises();
      exchange.onClientLost(reason);
      expect(streams[0].calls).toEqual(["POST", `abort ${reason.kind}`]);
      expect(flags()).toEqual([expected]);
    },
  );

  it("whose route's time is over in the middle of a response is aborted on both sides", async () => {
    const { clock, client, streams, flags } = start({ content: { kind: "none" } }, { timeoutMs: 100 });
    await settlePromises();
    streams[0].sink?.onResponseHead(responseOf());
    await clock.advance(200);
    expect([client.calls.at(-1), streams[0].calls.at(-1), ...flags()]).toEqual([
      "abort time_limit",
      "abort time_limit",
      "200 UT",
    ]);
  });

  it("with a head that cannot be written gets a local reply, and no exception leaves it", async () => {
    const { client, exchange, streams, flags } = start({ content: { kind: "none" } });
    streams[0].fails = true;
    exchange.requestEnd(undefined);
    await settlePromises();
    expect(client.calls).toEqual(["reply 500 DO", "over"]);
    expect(flags()).toEqual(["500 DO"]);
  });

  it("pauses the side that sends faster than the other accepts, and resumes it", async () => {
    const { client, exchange, streams } = start();
    const [stream] = streams;
    await settlePromises();
    stream.hasRoom = false;
    exchange.requestBody(pieceOf("a"));
    expect(client.calls.at(-1)).toBe("pause");
    stream.sink?.onUpstreamDrain();
    expect(client.calls.at(-1)).toBe("resume");
    client.hasRoom = false;
    stream.sink?.onResponseHead(responseOf());
    expect(stream.calls.at(-1)).toBe("pause");
    exchange.onClientDrain();
    expect(stream.calls.at(-1)).toBe("resume");
  });
});
