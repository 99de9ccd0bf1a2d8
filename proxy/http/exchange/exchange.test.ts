import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { type AbortReason, DISCONNECTED } from "../../messages/abort-reason.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import { pieceOf, responseOf, startExchange } from "./exchange-fixture.ts";

describe("an exchange", () => {
  it("carries bodies and trailers in both directions, and ends once", async () => {
    const { client, exchange, streams, flags } = startExchange();
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
    expect(client.calls).toEqual([
      "pause",
      "pause",
      "resume",
      "interim 103",
      "200",
      "answer",
      "end grpc-status=0",
      "over",
    ]);
    expect(flags()).toEqual(["200 -"]);
  });

  it("whose request has no content is sent without an end of its own", async () => {
    const { exchange, streams } = startExchange({ content: { kind: "none" } });
    exchange.requestEnd(undefined);
    await settlePromises();
    expect(streams[0].calls).toEqual(["POST"]);
  });

  it("that the server did not process is sent again, body, trailers and all, whatever its method", async () => {
    const { client, exchange, streams, flags } = startExchange();
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

  it("takes no more of its client's body while it waits for another attempt, and goes on with that", async () => {
    const { client, exchange, streams } = startExchange({}, {}, { protocol: "http2" });
    await settlePromises();
    streams[0].sink?.onUpstreamLost({ kind: "refused" });
    exchange.requestBody(pieceOf("body"));
    expect(client.calls.at(-1)).toBe("pause");
    await settlePromises();
    expect(client.calls.at(-1)).toBe("resume");
    expect(streams[1].calls).toEqual(["POST", "body"]);
  });

  it("whose body ends while it waits for another attempt goes on listening to its client", async () => {
    const { client, exchange, streams } = startExchange({}, {}, { protocol: "http2" });
    await settlePromises();
    streams[0].sink?.onUpstreamLost({ kind: "refused" });
    exchange.requestBody(pieceOf("body"));
    exchange.requestEnd(undefined);
    expect(client.calls.slice(-2)).toEqual(["pause", "resume"]);
  });

  it("is kept for that also with a single endpoint, if its connection is HTTP/2", async () => {
    for (const protocol of ["http1", "http2"] as const) {
      const { exchange, streams } = startExchange({}, {}, { protocol, endpoints: 1 });
      await settlePromises();
      exchange.requestBody(pieceOf("body"));
      streams[0].sink?.onUpstreamLost({ kind: "refused" });
      await settlePromises();
      expect(streams[1].calls).toEqual(protocol === "http2" ? ["POST", "body"] : []);
    }
  });

  it("that no server processes gets a local reply in the end", async () => {
    const { client, exchange, streams, flags } = startExchange({ content: { kind: "none" } });
    exchange.requestEnd(undefined);
    for (const stream of streams) {
      await settlePromises();
      stream.sink?.onUpstreamLost({ kind: "refused" });
    }
    expect(client.calls).toEqual(["reply 503 UR", "over"]);
    expect(streams.map(({ calls }) => calls[0])).toEqual(["POST", "POST", undefined, undefined]);
    expect(flags()).toEqual(["503 UR"]);
  });

  it.each<{ reason: AbortReason; flags: string }>([
    { reason: { kind: "disconnected" }, flags: "200 UC" },
    { reason: { kind: "reset", cause: "failed" }, flags: "200 UR" },
    { reason: { kind: "malformed", code: "bad_chunk", message: "" }, flags: "200 UPE" },
  ])(
    "whose response breaks off ($reason.kind) is aborted with that reason, not ended",
    async ({ reason, flags: expected }) => {
      const { client, streams, flags } = startExchange({ content: { kind: "none" } });
      await settlePromises();
      streams[0].sink?.onResponseHead(responseOf());
      streams[0].sink?.onUpstreamLost(reason);
      expect(client.calls).toEqual(["200", `abort ${reason.kind}`]);
      expect(flags()).toEqual([expected]);
    },
  );

  it.each<{ reason: AbortReason; flags: string }>([
    { reason: { kind: "disconnected" }, flags: "0 DC" },
    { reason: { kind: "reset", cause: "cancelled" }, flags: "0 DR" },
    { reason: { kind: "malformed", code: "bad_chunk", message: "" }, flags: "0 DPE" },
    { reason: { kind: "time_limit", limit: "body" }, flags: "0 SI" },
    { reason: { kind: "cut" }, flags: "0 DO" },
  ])(
    "whose client is lost ($reason.kind) aborts its server's part with that reason",
    async ({ reason, flags: expected }) => {
      const { exchange, streams, flags } = startExchange();
      await settlePromises();
      exchange.onClientLost(reason);
      expect(streams[0].calls).toEqual(["POST", `abort ${reason.kind}`]);
      expect(flags()).toEqual([expected]);
    },
  );

  it("whose route's time is over in the middle of a response is aborted on both sides", async () => {
    const { clock, client, streams, flags } = startExchange({ content: { kind: "none" } }, { timeoutMs: 100 });
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
    const { client, exchange, streams, flags } = startExchange({ content: { kind: "none" } });
    streams[0].fails = true;
    exchange.requestEnd(undefined);
    await settlePromises();
    expect(client.calls).toEqual(["reply 500 DO", "over"]);
    expect(flags()).toEqual(["500 DO"]);
  });

  it("pauses the side that sends faster than the other accepts, and resumes it", async () => {
    const { client, exchange, streams } = startExchange();
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
