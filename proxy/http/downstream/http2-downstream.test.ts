import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import { endOf } from "../../connections/relay-fixture.ts";
import { pingFrame, rawFrame, readFrames, SETTINGS_ACK, settingsFrame } from "../../http2/frames/frame-fixture.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME } from "../../http2/frames/frame-types.ts";
import { HpackEncoder } from "../../http2/hpack/hpack-encoder.ts";
import { createNoMetrics } from "../../telemetry/proxy-metrics.ts";
import type { RequestPlan } from "../exchange/request-plan.ts";
import { createHttpContext } from "../http-context.ts";
import { HTTP_TIME_LIMITS } from "../http-limits.ts";
import { requestOf } from "../raw-http2-client-fixture.ts";
import { serveClient } from "./serve-client.ts";

const METER = createNoMetrics().requestMeter({ reporter: "source", security: "none" });
const REPLY: RequestPlan = {
  kind: "local_reply",
  reply: { status: 503, flags: "UH", details: "no healthy endpoint" },
  delayMs: undefined,
  route: "",
};

/** A client whose requests get local replies, when their plans are made. */
function serve({ isStuck = false, isDraining = false } = {}) {
  const clock = new FakeClock();
  const draining = new AbortController();
  const closing = new AbortController();
  if (isDraining) draining.abort();
  const context = createHttpContext({
    clock,
    random: () => 0,
    log: new RecordingLogger(),
    meters: { requestMeter: () => METER, countVerdict: () => undefined },
    drain: { draining: draining.signal, closing: closing.signal },
  });
  const socket = new FakeSocket({ isStuck });
  const faults: string[] = [];
  const plans: ((plan: RequestPlan) => void)[] = [];
  let isCurrent = true;
  const served = serveClient(asSocket(socket), {
    protocol: "http2",
    facts: { direction: "inbound", client: "", destination: "", peer: "", meter: () => METER },
    context,
    pathNormalization: () => "BASE",
    planRequest: () => new Promise((resolve) => plans.push(resolve)),
    early: Buffer.concat([CLIENT_PREFACE, settingsFrame()]),
    isCurrent: () => isCurrent,
    onFault: ({ code }) => void faults.push(code),
  });
  const encoder = new HpackEncoder();
  const send = async (...frames: readonly Buffer[]): Promise<void> => {
    socket.push(Buffer.concat(frames));
    await turn();
  };
  const request = (id: number): Buffer => {
    const block = Buffer.alloc(1000);
    let at = encoder.beginBlock(block, 0);
    for (const [name, value] of requestOf(`/${id}`)) at = encoder.encodeField(block, at, name, value);
    return rawFrame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, id, block.subarray(0, at));
  };
  const outdate = (): void => {
    isCurrent = false;
  };
  const goaways = () =>
    readFrames(Buffer.concat(socket.packets))
      .filter(({ type }) => type === FRAME.goaway)
      .map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4)]);
  /** Acknowledges what the server measures with. */
  const acknowledge = () => {
    const pings = readFrames(Buffer.concat(socket.packets)).filter(
      ({ type, flags }) => type === FRAME.ping && flags === 0,
    );
    return send(...pings.map(({ payload }) => pingFrame(payload.toString("latin1"), FLAG.ack)));
  };
  return {
    clock,
    context,
    socket,
    faults,
    plans,
    served,
    ended: endOf(served),
    send,
    request,
    outdate,
    goaways,
    acknowledge,
    draining,
    closing,
  };
}

async function turn(): Promise<void> {
  await settlePromises();
  await new Promise((resolve) => setImmediate(resolve));
}

const FIRST = [0x7fffffff, ERROR_CODE.noError];

describe("a client's HTTP/2 connection", () => {
  it("is closed when its client never acknowledges SETTINGS", async () => {
    const { clock, faults, goaways, ended, socket } = serve();
    await clock.advance(10_500);
    expect(goaways()).toEqual([[0, ERROR_CODE.settingsTimeout]]);
    expect(faults).toEqual(["http2_settings_timeout"]);
    socket.push(null);
    await ended;
  });

  it("serves its last requests while the pod ends, and takes new ones for a round trip", async () => {
    const { clock, send, request, plans, draining, goaways, acknowledge, ended, socket } = serve();
    await send(SETTINGS_ACK, request(1));
    draining.abort();
    await clock.advance(600);
    expect(goaways()).toEqual([FIRST]);
    await send(request(3));
    expect(plans).toHaveLength(2);
    await acknowledge();
    expect(goaways()).toEqual([FIRST, [3, ERROR_CODE.noError]]);
    await send(request(5));
    expect(plans).toHaveLength(2);
    for (const plan of plans) plan(REPLY);
    await turn();
    expect(socket.writableEnded).toBe(true);
    expect(socket.written.match(/no healthy endpoint/g)).toHaveLength(2);
    socket.push(null);
    expect(await ended).toBe("closed");
  });

  it("serves a request first if it begins while the pod ends", async () => {
    const { clock, send, request, plans, goaways } = serve({ isDraining: true });
    await send(SETTINGS_ACK);
    await clock.advance(5000);
    expect(goaways()).toEqual([]);
    await send(request(1));
    plans[0]?.(REPLY);
    await clock.advance(600);
    expect(goaways()).toEqual([FIRST]);
  });

  it.each(["closing", "outdated"] as const)("leaves without a request when it is %s", async (why) => {
    const { clock, send, outdate, closing, goaways, acknowledge, socket } = serve();
    await send(SETTINGS_ACK);
    if (why === "closing") closing.abort();
    else outdate();
    await clock.advance(600);
    await acknowledge();
    expect(goaways()).toEqual([FIRST, [0, ERROR_CODE.noError]]);
    expect(socket.writableEnded).toBe(true);
  });

  it("leaves after a grace even if its client does not respond to PING", async () => {
    const { clock, send, closing, goaways } = serve();
    await send(SETTINGS_ACK);
    closing.abort();
    await clock.advance(2000);
    expect(goaways()).toEqual([FIRST, [0, ERROR_CODE.noError]]);
  });

  it("is destroyed when its client does not close after the last frame", async () => {
    const { clock, send, closing, acknowledge, socket, context } = serve();
    await send(SETTINGS_ACK);
    closing.abort();
    await clock.advance(600);
    await acknowledge();
    await clock.advance(HTTP_TIME_LIMITS.lingerMs + 1000);
    expect(socket.destroyed).toBe(true);
    expect(context.deadlines.size).toBe(0);
  });

  it("is destroyed at the latest when its client has read nothing for the body's limit", async () => {
    const { clock, closing, socket } = serve({ isStuck: true });
    closing.abort();
    await clock.advance(HTTP_TIME_LIMITS.bodyIdleMs - 5000);
    expect(socket.destroyed).toBe(false);
    await clock.advance(10_000);
    expect(socket.destroyed).toBe(true);
  });

  it("writes what one read caused as one packet", async () => {
    const { send, request, plans, socket } = serve();
    await send(SETTINGS_ACK, request(1), request(3), request(5));
    const before = socket.packets.length;
    for (const plan of plans) plan(REPLY);
    await turn();
    expect(socket.packets.length - before).toBe(1);
    expect(socket.written.match(/no healthy endpoint/g)).toHaveLength(3);
  });

  it("is idle between requests, and busy while one is in progress", async () => {
    const { send, request, plans, served } = serve();
    await send(SETTINGS_ACK);
    expect(served.isIdle).toBe(true);
    await send(request(1));
    expect(served.isIdle).toBe(false);
    plans[0]?.(REPLY);
    await turn();
    expect(served.isIdle).toBe(true);
  });

  it("ends its requests when it is cut", async () => {
    const { send, request, plans, served, ended, socket, context } = serve();
    await send(SETTINGS_ACK, request(1));
    served.cut();
    expect(await ended).toBe("closed_by_proxy");
    plans[0]?.(REPLY);
    await turn();
    expect(socket.wasReset).toBe(true);
    expect(socket.written).not.toContain("no healthy endpoint");
    expect(context.deadlines.size).toBe(0);
  });
});
