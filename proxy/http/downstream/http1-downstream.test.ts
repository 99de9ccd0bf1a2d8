import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { endOf } from "../../connections/relay-fixture.ts";
import { createNoMetrics } from "../../telemetry/proxy-metrics.ts";
import { createHttpContext, type DrainSignals, type HttpContext } from "../http-context.ts";
import { HTTP_TIME_LIMITS } from "../http-limits.ts";
import { serveClient } from "./serve-client.ts";

/** A client's socket that accepts nothing until the test allows it. */
class StuckSocket extends Duplex {
  taken = "";
  #release: (() => void) | undefined;
  #isStuck = true;

  constructor() {
    super({ allowHalfOpen: true });
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const take = (): void => {
      this.taken += chunk.toString("latin1");
      done();
    };
    if (this.#isStuck) this.#release = take;
    else take();
  }

  /** The client reads: pending bytes are accepted, and later ones at once. */
  release(): void {
    this.#isStuck = false;
    this.#release?.();
  }
}

const METER = createNoMetrics().requestMeter({ reporter: "source", security: "none" });

function serve(drain?: DrainSignals): {
  clock: FakeClock;
  context: HttpContext;
  socket: StuckSocket;
  ended: Promise<unknown>;
} {
  const clock = new FakeClock();
  const context = createHttpContext({
    clock,
    random: () => 0,
    log: new RecordingLogger(),
    meters: { requestMeter: () => METER, countVerdict: () => undefined },
    drain,
  });
  const socket = new StuckSocket();
  const connection = serveClient(socket as unknown as Socket, {
    protocol: "http1",
    facts: { direction: "inbound", client: "", destination: "", peer: "", meter: () => METER },
    context,
    pathNormalization: () => "BASE",
    planRequest: () => ({
      kind: "local_reply",
      reply: { status: 503, flags: "UH", details: "no healthy endpoint" },
      delayMs: undefined,
      route: "",
    }),
    early: Buffer.alloc(0),
    isCurrent: () => true,
    onFault: () => undefined,
  });
  return { clock, context, socket, ended: endOf(connection) };
}

describe("a client that has not read its last response yet", () => {
  it.each([
    { name: "asked to close its connection", text: "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" },
    { name: "ended its side", text: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ends: true },
    { name: "sent something that is not a request", text: "GET / HTTP/9.9\r\n\r\n" },
  ])("and $name gets it completely, long after the linger timeout", async ({ text, ends = false }) => {
    const { clock, socket, ended } = serve();
    socket.push(text);
    if (ends) socket.push(null);
    await settlePromises();
    await clock.advance(HTTP_TIME_LIMITS.lingerMs * 5);
    await settlePromises();
    expect(socket.destroyed).toBe(false);
    socket.release();
    await settlePromises();
    expect(socket.taken).toMatch(/^HTTP\/1\.1 \d{3} [\s\S]+\r\n\r\n/);
    await clock.advance(HTTP_TIME_LIMITS.lingerMs * 2);
    await ended;
    expect(socket.destroyed).toBe(true);
  });

  it("and never reads it is cut eventually", async () => {
    const { clock, context, socket, ended } = serve();
    socket.push("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    await settlePromises();
    await clock.advance(HTTP_TIME_LIMITS.bodyIdleMs * 2);
    await ended;
    expect(socket.destroyed).toBe(true);
    expect(context.deadlines.size).toBe(0);
  });
});

describe("a client's kept connection", () => {
  const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

  function startDraining() {
    const draining = new AbortController();
    const closing = new AbortController();
    const served = serve({ draining: draining.signal, closing: closing.signal });
    served.socket.release();
    served.socket.push(GET);
    return { ...served, draining, closing };
  }

  it("stays open while the proxy drains, and the response to its next request is its last", async () => {
    const { clock, socket, draining, ended } = startDraining();
    await settlePromises();
    expect(socket.taken).not.toContain("connection: close");
    draining.abort();
    await clock.advance(60_000);
    expect(socket.writableEnded).toBe(false);
    socket.push(GET);
    await settlePromises();
    expect(socket.taken.match(/HTTP\/1\.1 503 /g)).toHaveLength(2);
    expect(socket.taken).toContain("connection: close");
    expect(socket.writableEnded).toBe(true);
    await clock.advance(HTTP_TIME_LIMITS.lingerMs * 2);
    await ended;
  });

  it("is closed once the proxy closes", async () => {
    const { clock, socket, draining, closing, ended } = startDraining();
    await settlePromises();
    draining.abort();
    closing.abort();
    await clock.advance(1000);
    expect(await ended).toBe("closed");
    expect(socket.destroyed).toBe(true);
  });
});
