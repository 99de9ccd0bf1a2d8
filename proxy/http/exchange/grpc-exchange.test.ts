import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { Content, ResponseHead } from "../../messages/message-head.ts";
import { pieceOf, responseOf } from "./exchange-fixture.ts";
import { messages, startCall, trailersOnly } from "./grpc-call-fixture.ts";

const NONE: Content = { kind: "none" };

describe("a call of gRPC", () => {
  it("may speak in both directions at once, and end on either side first", async () => {
    const { client, exchange, streams, ends } = await startCall();
    const [stream] = streams;
    exchange.requestBody(pieceOf("ping"));
    stream.sink?.onResponseHead(responseOf());
    stream.sink?.onResponseBody(pieceOf("pong"));
    exchange.requestBody(pieceOf("ping"));
    stream.sink?.onResponseBody(pieceOf("pong"));
    exchange.requestEnd(undefined);
    stream.sink?.onResponseBody(pieceOf("late"));
    stream.sink?.onResponseEnd(listOf(["grpc-status", "0"]));
    expect(stream.calls).toEqual(["POST", "ping", "ping", "end", "release"]);
    expect(client.calls.slice(-5)).toEqual(
      ["200", "pong", "pong", "late", "end grpc-status=0"].slice(1).concat("over"),
    );
    expect(ends()).toEqual(["200 - 0"]);
  });

  it("ends with its response, also while its client still speaks", async () => {
    const { client, exchange, streams, ends } = await startCall();
    const [stream] = streams;
    exchange.requestBody(pieceOf("ping"));
    stream.sink?.onResponseHead(responseOf());
    stream.sink?.onResponseEnd(listOf(["grpc-status", "9"]));
    exchange.requestBody(pieceOf("late"));
    exchange.requestEnd(undefined);
    expect(stream.calls).toEqual(["POST", "ping", "abort abandoned"]);
    expect(client.calls.slice(-2)).toEqual(["end grpc-status=9", "over"]);
    expect(ends()).toEqual(["200 - 9"]);
  });

  it.each<{ name: string; head: ResponseHead; trailers: readonly string[]; expected: string }>([
    { name: "trailers", head: responseOf(), trailers: ["grpc-status", "5"], expected: "200 - 5" },
    { name: "a head without a body", head: trailersOnly("7"), trailers: [], expected: "200 - 7" },
    {
      name: "the status of HTTP, if it has none",
      head: responseOf(503, { content: NONE }),
      trailers: [],
      expected: "503 - 14",
    },
    {
      name: "a status that gRPC does not know, as UNKNOWN",
      head: responseOf(),
      trailers: ["grpc-status", "99"],
      expected: "200 - 2",
    },
  ])("is counted with the status of $name", async ({ head, trailers, expected }) => {
    const { streams, ends, flags, logged } = await startCall();
    streams[0].sink?.onResponseHead(head);
    streams[0].sink?.onResponseEnd(listOf(trailers));
    expect(ends()).toEqual([expected]);
    expect(flags()).toEqual([]);
    expect(logged.map(({ status, grpcStatus }) => `${status} - ${grpcStatus}`)).toEqual([expected]);
  });

  it("without a response has no status", async () => {
    const { exchange, ends, logged } = await startCall();
    exchange.onClientLost({ kind: "reset", cause: "cancelled" });
    expect(ends()).toEqual(["0 DR undefined"]);
    expect(logged[0]?.grpcStatus).toBeUndefined();
  });

  it("that its client cancels is cancelled at the server", async () => {
    const { exchange, streams } = await startCall();
    exchange.onClientLost({ kind: "reset", cause: "cancelled" });
    expect(streams[0].calls.at(-1)).toBe("abort reset");
  });

  it("gets local replies in gRPC's form, while log and metrics have the reason", async () => {
    const { client, streams, ends, logged } = await startCall();
    streams[0].sink?.onUpstreamLost({ kind: "reset", cause: "failed" });
    const fields = client.replies[0]?.fields ?? [];
    expect(client.replies[0]).toMatchObject({ status: 200, details: "" });
    expect(fields.map(({ name, value }) => `${name}: ${value}`)).toEqual([
      "content-type: application/grpc",
      "grpc-status: 14",
      "grpc-message: upstream reset: the server reset the stream before a response",
    ]);
    expect(ends()).toEqual(["200 UR 14"]);
    expect(logged[0]).toMatchObject({ details: "upstream reset: the server reset the stream before a response" });
  });
});

describe("the messages of a call", () => {
  it("are counted in both directions, and reported at its end", async () => {
    const call = await startCall();
    call.exchange.requestBody(messages(3));
    call.streams[0].sink?.onResponseHead(responseOf());
    call.streams[0].sink?.onResponseBody(messages(2));
    expect(call.messages).toEqual([]);
    call.streams[0].sink?.onResponseEnd(listOf(["grpc-status", "0"]));
    expect(call.messages).toEqual([[3, 2]]);
  });

  it("are reported every five seconds while it lasts, and each once", async () => {
    const call = await startCall();
    const tick = async (ms: number): Promise<void> => {
      await call.clock.advance(ms);
      call.exchange.checkDeadline(call.clock.monotonicMs());
    };
    call.exchange.requestBody(messages(1));
    await tick(4900);
    expect(call.messages).toEqual([]);
    await tick(100);
    expect(call.messages).toEqual([[1, 0]]);
    await tick(5000);
    expect(call.messages).toEqual([[1, 0]]);
    call.streams[0].sink?.onResponseHead(responseOf());
    call.streams[0].sink?.onResponseBody(messages(4));
    await tick(5000);
    expect(call.messages).toEqual([
      [1, 0],
      [0, 4],
    ]);
  });

  it("of HTTP/1.1 chunks are counted without their framing", async () => {
    const call = await startCall();
    const bytes = Buffer.from("6\r\n\0\0\0\0\x01x\r\n", "latin1");
    call.exchange.requestBody({ bytes, ranges: [3, 9] });
    call.exchange.onClientLost({ kind: "disconnected" });
    expect(call.messages).toEqual([[1, 0]]);
  });

  it("are counted once, also if they are sent again", async () => {
    const call = await startCall();
    call.exchange.requestBody(messages(2));
    call.streams[0].sink?.onUpstreamLost({ kind: "refused" });
    await settlePromises();
    call.streams[1].sink?.onResponseHead(trailersOnly("0"));
    call.streams[1].sink?.onResponseEnd(undefined);
    expect(call.messages).toEqual([[2, 0]]);
  });
});
