import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { Content, ResponseHead } from "../../messages/message-head.ts";
import { pieceOf, responseOf, startExchange } from "./exchange-fixture.ts";
import type { ForwardPlan } from "./request-plan.ts";
import type { RetryPolicy } from "./retry-policy.ts";

const NONE: Content = { kind: "none" };

/** A started call of gRPC. @param fields of its head, besides the content type. */
async function startCall(fields: readonly string[] = [], plan: Partial<ForwardPlan> = {}) {
  const started = startExchange({ fields: listOf(["content-type", "application/grpc", ...fields]) }, plan);
  await settlePromises();
  const ends = (): readonly string[] =>
    started.calls.map(({ status, flags, grpcStatus }) => `${status} ${flags} ${grpcStatus}`);
  return { ...started, ends };
}

/** Messages of one byte each. */
function messages(count: number): BodyPiece {
  return {
    bytes: Buffer.from([0, 0, 0, 0, 1, 7].concat(...Array(count - 1).fill([0, 0, 0, 0, 1, 7]))),
    ranges: undefined,
  };
}

/** A response without a body. */
function trailersOnly(status: string, fields: readonly string[] = []): ResponseHead {
  return responseOf(200, { content: NONE, fields: listOf(["grpc-status", status, ...fields]) });
}

function policy(allowed: Partial<RetryPolicy>): RetryPolicy {
  const never = () => false;
  return {
    ...{ attempts: 2, perTryTimeoutMs: undefined, onConnectFailure: false, onReset: false, onRefusedStream: false },
    ...{ onStatus: never, onGrpcStatus: never, ...allowed },
  };
}

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

describe("the deadline of a call", () => {
  it("ends it with DEADLINE_EXCEEDED, and its server's part with an abort", async () => {
    const { clock, client, streams, ends } = await startCall(["grpc-timeout", "100m"]);
    await clock.advance(99);
    expect(client.replies).toEqual([]);
    await clock.advance(1);
    expect(client.replies[0]?.grpcStatus).toBe(4);
    expect(streams[0].calls.at(-1)).toBe("abort abandoned");
    expect(ends()).toEqual(["200 UT 4"]);
  });

  it("is the route's, if that is shorter", async () => {
    const { clock, client, ends } = await startCall(["grpc-timeout", "1H"], { timeoutMs: 50 });
    await clock.advance(50);
    expect(client.replies[0]?.grpcStatus).toBe(4);
    expect(ends()).toEqual(["200 UT 4"]);
  });

  it("counts from the head on: an injected delay is part of it", async () => {
    const { clock, client, streams } = await startCall(["grpc-timeout", "100m"], { delayMs: 80 });
    await clock.advance(80);
    await settlePromises();
    expect(streams[0].edits?.headers?.added).toEqual([{ name: "grpc-timeout", value: "20m" }]);
    await clock.advance(20);
    expect(client.replies[0]?.grpcStatus).toBe(4);
  });

  it("is what each attempt passes on: what is left, at most the time of one attempt", async () => {
    const retries = policy({ perTryTimeoutMs: 60, onReset: true });
    const { clock, streams } = await startCall(["grpc-timeout", "100m"], { retries });
    await clock.advance(60);
    await settlePromises();
    const sent = streams.slice(0, 2).map(({ edits }) => edits?.headers?.added[0]?.value);
    expect(sent).toEqual(["60m", "40m"]);
  });

  it("is not invented: without a limit the field goes on as it came", async () => {
    const { streams } = await startCall(["grpc-timeout", "nonsense"]);
    expect(streams[0].edits?.headers).toBeUndefined();
  });

  it("ends a response that has begun with trailers, so that the client learns the reason", async () => {
    const { clock, client, exchange, streams, ends } = await startCall(["grpc-timeout", "100m"]);
    streams[0].sink?.onResponseHead(responseOf());
    streams[0].sink?.onResponseBody(pieceOf("part"));
    await clock.advance(100);
    exchange.requestBody(pieceOf("late"));
    streams[0].sink?.onResponseEnd(undefined);
    expect(client.calls.slice(-2)).toEqual(["end grpc-status=4", "over"]);
    expect(streams[0].calls.at(-1)).toBe("abort abandoned");
    expect(ends()).toEqual(["200 UT 4"]);
  });

  it.each<{ name: string; content: Content }>([
    { name: "a length", content: { kind: "length", length: 100 } },
    { name: "an end by closing", content: { kind: "unknown", endsBy: "close" } },
  ])("aborts a response that has begun with $name: trailers would make it look complete", async ({ content }) => {
    const { clock, client, streams } = await startCall(["grpc-timeout", "100m"]);
    streams[0].sink?.onResponseHead(responseOf(200, { content }));
    await clock.advance(100);
    expect(client.calls.at(-1)).toBe("abort time_limit");
  });
});

describe("a call is retried", () => {
  const UNAVAILABLE = { retries: policy({ onGrpcStatus: (status) => status === 14 }) };

  it("after a status in a head without a body, if the policy names it, messages and all", async () => {
    const { client, exchange, streams, ends } = await startCall([], UNAVAILABLE);
    exchange.requestBody(pieceOf("body"));
    exchange.requestEnd(undefined);
    streams[0].sink?.onResponseHead(trailersOnly("14"));
    await settlePromises();
    expect(streams[1].calls).toEqual(["POST", "body", "end"]);
    streams[1].sink?.onResponseHead(trailersOnly("0"));
    streams[1].sink?.onResponseEnd(undefined);
    expect(client.calls.slice(-3)).toEqual(["200", "end", "over"]);
    expect(ends()).toEqual(["200 - 0"]);
  });

  it("not after another status", async () => {
    const { client, streams } = await startCall([], UNAVAILABLE);
    streams[0].sink?.onResponseHead(trailersOnly("13"));
    await settlePromises();
    expect([client.calls.at(-1), streams[1].calls]).toEqual(["200", []]);
  });

  it("not after a head that is followed by a body, whatever its status", async () => {
    const { client, streams } = await startCall([], UNAVAILABLE);
    streams[0].sink?.onResponseHead(responseOf(200, { fields: listOf(["grpc-status", "14"]) }));
    await settlePromises();
    expect([client.calls.at(-1), streams[1].calls]).toEqual(["200", []]);
  });

  it("not after a status in trailers: the head has been passed on", async () => {
    const { streams, ends } = await startCall([], UNAVAILABLE);
    streams[0].sink?.onResponseHead(responseOf());
    streams[0].sink?.onResponseEnd(listOf(["grpc-status", "14"]));
    await settlePromises();
    expect(streams[1].calls).toEqual([]);
    expect(ends()).toEqual(["200 - 14"]);
  });

  it("until the policy's attempts are used up, and then says so", async () => {
    const { streams, ends } = await startCall([], UNAVAILABLE);
    for (const stream of streams) {
      await settlePromises();
      stream.sink?.onResponseHead(trailersOnly("14"));
      stream.sink?.onResponseEnd(undefined);
    }
    expect(streams.map(({ calls }) => calls[0])).toEqual(["POST", "POST", "POST", undefined]);
    expect(ends()).toEqual(["200 URX 14"]);
  });

  it("not once more of its messages was sent than is kept", async () => {
    const { client, exchange, streams } = await startCall([], UNAVAILABLE);
    exchange.requestBody({ bytes: Buffer.alloc(70_000), ranges: undefined });
    streams[0].sink?.onResponseHead(trailersOnly("14"));
    await settlePromises();
    expect([client.calls.at(-1), streams[1].calls]).toEqual(["200", []]);
  });

  it("not because of a status of gRPC if it is another request", async () => {
    const { client, streams } = startExchange({}, UNAVAILABLE);
    await settlePromises();
    streams[0].sink?.onResponseHead(trailersOnly("14"));
    await settlePromises();
    expect([client.calls.at(-1), streams[1].calls]).toEqual(["200", []]);
  });

  it("whatever pause its server asks for: as Envoy, the proxy does not know grpc-retry-pushback-ms", async () => {
    const { streams } = await startCall([], UNAVAILABLE);
    streams[0].sink?.onResponseHead(trailersOnly("14", ["grpc-retry-pushback-ms", "-1"]));
    await settlePromises();
    expect(streams[1].calls).toEqual(["POST"]);
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
