import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { HTTP_TIME_LIMITS } from "../http-limits.ts";
import { pieceOf, responseOf, startExchange } from "./exchange-fixture.ts";

const { streamIdleMs } = HTTP_TIME_LIMITS;
const CALL = { fields: listOf(["content-type", "application/grpc"]) };

async function start(head: Partial<RequestHead> = {}) {
  const started = startExchange(head);
  await settlePromises();
  const { clock, exchange } = started;
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    exchange.checkDeadline(clock.monotonicMs());
  };
  await pass(0);
  return { ...started, pass };
}

describe("an exchange in which nothing moves", () => {
  it("gets 408 after the limit, if its client did not complete the request", async () => {
    const { client, streams, flags, pass } = await start();
    await pass(streamIdleMs - 1);
    expect(client.replies).toEqual([]);
    await pass(1);
    expect(streams[0].calls.at(-1)).toBe("abort abandoned");
    expect(flags()).toEqual(["408 SI"]);
  });

  it("gets 504, if its server does not respond", async () => {
    const { exchange, flags, pass } = await start();
    exchange.requestEnd(undefined);
    await pass(streamIdleMs);
    expect(flags()).toEqual(["504 SI"]);
  });

  it.each([
    { name: "408", isWhole: false, expected: 2 },
    { name: "504", isWhole: true, expected: 14 },
  ])("gets the status of gRPC for $name, if it is a call", async ({ isWhole, expected }) => {
    const { exchange, calls, pass } = await start(CALL);
    if (isWhole) exchange.requestEnd(undefined);
    await pass(streamIdleMs);
    expect(calls.map(({ status, flags, grpcStatus }) => [status, flags, grpcStatus])).toEqual([[200, "SI", expected]]);
  });

  it("is aborted after the limit, if its response has begun", async () => {
    const { client, streams, flags, pass } = await start();
    streams[0].sink?.onResponseHead(responseOf());
    await pass(0);
    await pass(streamIdleMs);
    expect(client.calls.at(-1)).toBe("abort time_limit");
    expect(flags()).toEqual(["200 SI"]);
  });

  it("goes on as long as one side speaks", async () => {
    const { exchange, streams, flags, pass } = await start();
    exchange.requestBody(pieceOf("a"));
    streams[0].sink?.onResponseHead(responseOf());
    const speakers = [() => exchange.requestBody(pieceOf("b")), () => streams[0].sink?.onResponseBody(pieceOf("c"))];
    for (const speak of speakers) {
      for (let round = 0; round < 3; round += 1) {
        speak();
        await pass(streamIdleMs - 1);
        await pass(1);
      }
    }
    expect(flags()).toEqual([]);
  });
});

describe("only its client can make a request go on", () => {
  it("that is incomplete and has no response", async () => {
    const { exchange, streams } = await start();
    expect(exchange.record.isFedByClient).toBe(true);
    streams[0].sink?.onResponseHead(responseOf(103));
    expect(exchange.record.isFedByClient).toBe(true);
    streams[0].sink?.onResponseHead(responseOf());
    expect(exchange.record.isFedByClient).toBe(false);
  });

  it("but not one that is complete", async () => {
    const { exchange } = await start();
    exchange.requestEnd(undefined);
    expect(exchange.record.isFedByClient).toBe(false);
  });

  it("but not a call of gRPC, whose server may speak first, and without a head", async () => {
    const { exchange } = await start(CALL);
    expect(exchange.record.isFedByClient).toBe(false);
  });
});
