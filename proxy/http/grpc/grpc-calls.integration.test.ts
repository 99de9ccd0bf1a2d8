import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import type { CountedCall } from "../../telemetry/request-meter.ts";
import { ATTACK_DOORS } from "../attacks/attack-doors-fixture.ts";
import {
  DETAILS,
  endOfCall,
  GrpcTestClient,
  metadataOf,
  readCall,
  startGrpcApplication,
} from "./grpc-application-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function endOf(call: CountedCall | undefined): string {
  return `${call?.status} ${call?.flags} ${call?.grpcStatus}`;
}

describe.each(ATTACK_DOORS)("gRPC through $name", ({ start }) => {
  async function open() {
    const application = await startGrpcApplication(cleanup);
    const { port, sides } = await start(cleanup, application.port, "grpc");
    const everywhere = <Value>(value: Value) => sides.map(() => value);
    /** What every sidecar counted: each call's HTTP status, flags and status, then all messages. */
    const counted = async (calls: number) => {
      await expect.poll(() => sides.map(({ http }) => http.calls.length)).toEqual(everywhere(calls));
      return sides.map(({ http }) => {
        const sum = (at: 0 | 1): number => http.messages.reduce((total, each) => total + each[at], 0);
        const ends = http.calls.map(endOf);
        return { ends, messages: [sum(0), sum(1)], others: http.counted.length };
      });
    };
    return { application, client: new GrpcTestClient(cleanup, port), sides, counted, everywhere };
  }

  it("a unary call arrives, with metadata, text and binary, on both sides of it", async () => {
    const { application, client, counted, everywhere } = await open();
    const binary = Buffer.from([0, 1, 255, 13, 10]);
    const metadata = metadataOf({ "x-echo": "text", "x-echo-bin": binary, "x-echo-trailer": "behind" });
    const { code, head, response, trailers } = await client.unary(Buffer.from("hello"), metadata);
    expect([code, response?.toString(), head.get("x-echo"), trailers.get("x-echo-trailer")]).toEqual([
      0,
      "hello",
      ["text"],
      ["behind"],
    ]);
    expect(head.get("x-echo-bin")).toEqual([binary]);
    expect(application.calls[0]?.get("x-echo-bin")).toEqual([binary]);
    expect(await counted(1)).toEqual(everywhere({ ends: ["200 - 0"], messages: [1, 1], others: 0 }));
  });

  it("a server's stream arrives, and each message is counted", async () => {
    const { client, counted, everywhere } = await open();
    const { messages, code } = await readCall(client.serverStream(100));
    expect([messages, code]).toEqual([Array.from({ length: 100 }, (_, number) => String(number)), 0]);
    expect(await counted(1)).toEqual(everywhere({ ends: ["200 - 0"], messages: [1, 100], others: 0 }));
  });

  it("a client's stream arrives, larger than any window", async () => {
    const { client, counted, everywhere } = await open();
    const { call, response } = client.clientStream();
    const ended = endOfCall(call);
    for (let number = 0; number < 50; number += 1) call.write(Buffer.alloc(100_000));
    call.end();
    expect([(await response)?.toString(), (await ended).code]).toEqual(["5000000", 0]);
    expect(await counted(1)).toEqual(everywhere({ ends: ["200 - 0"], messages: [50, 1], others: 0 }));
  });

  it("both sides speak in turn on one stream, and the client ends it", async () => {
    const { client, counted, everywhere } = await open();
    const call = client.bidi();
    const ended = endOfCall(call);
    for (const text of ["one", "two", "three"]) {
      call.write(Buffer.from(text));
      const [message] = await once(call, "data");
      expect(message.toString()).toBe(text);
    }
    call.end();
    expect((await ended).code).toBe(0);
    expect(await counted(1)).toEqual(everywhere({ ends: ["200 - 0"], messages: [3, 3], others: 0 }));
  });

  it("the server may end a stream while its client still speaks", async () => {
    const { client, counted, everywhere } = await open();
    const call = client.bidi();
    call.write(Buffer.from("stop"));
    expect((await readCall(call)).code).toBe(0);
    expect(await counted(1)).toEqual(everywhere({ ends: ["200 - 0"], messages: [1, 0], others: 0 }));
  });

  it("an error arrives with its text and its details, in one head", async () => {
    const { client, counted, everywhere } = await open();
    const { code, details, trailers } = await client.unary(Buffer.from("x"), metadataOf({ "x-fail": "9" }));
    expect([code, details, trailers.get("grpc-status-details-bin")]).toEqual([9, "größer than 100 %", [DETAILS]]);
    expect(await counted(1)).toEqual(everywhere({ ends: ["200 - 9"], messages: [1, 0], others: 0 }));
  });

  it("a large message arrives in both directions", async () => {
    const { client } = await open();
    const message = Buffer.alloc(4 << 20, "large");
    const { code, response } = await client.unary(message);
    expect([code, response?.equals(message)]).toEqual([0, true]);
  });

  it("a deadline is passed on, and ends the call everywhere", async () => {
    const { application, client, sides, counted } = await open();
    // Connections are open before the deadline runs: on a busy machine they take longer than the call.
    expect((await client.unary(Buffer.from("first"))).code).toBe(0);
    const { code } = await client.unary(Buffer.from("x"), metadataOf({ "x-wait": "1" }), 500);
    expect(code).toBe(4);
    expect(application.deadlines.map((deadline) => deadline === Number.POSITIVE_INFINITY)).toEqual([true, false]);
    await counted(2);
    // Client, sidecars and server have the same deadline: any of them may be the first to end it.
    for (const { http } of sides) expect(["0 DR undefined", "200 UT 4", "200 - 4"]).toContain(endOf(http.calls[1]));
  });

  it("a cancelled call is cancelled at the server, and the connection goes on", async () => {
    const { application, client, counted } = await open();
    const call = client.serverStream(1, metadataOf({ "x-wait": "1" }));
    const ended = readCall(call);
    await once(call, "data");
    call.cancel();
    expect((await ended).code).toBe(1);
    await expect.poll(() => application.cancelled()).toBe(1);
    expect((await client.unary(Buffer.from("next"))).code).toBe(0);
    for (const { ends } of await counted(2)) expect(ends).toEqual(["200 DR 2", "200 - 0"]);
  });
});
