import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import { pieceOf, responseOf, startExchange } from "./exchange-fixture.ts";
import { policy, startCall, trailersOnly } from "./grpc-call-fixture.ts";

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
