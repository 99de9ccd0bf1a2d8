import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import type { Content } from "../../messages/message-head.ts";
import { pieceOf, responseOf } from "./exchange-fixture.ts";
import { policy, startCall } from "./grpc-call-fixture.ts";

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
