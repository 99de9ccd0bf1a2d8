import { createServer } from "node:http";
import type { Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import type { Clock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startFastClock } from "../net/fast-clock-fixture.ts";
import { listen } from "../net/raw-client-fixture.ts";
import { startTestGateway } from "./gateway/gateway-fixture.ts";
import { Deadlines } from "./http/deadlines.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { startOutboundSide } from "./outbound-side-fixture.ts";
import { connectClient, readAll } from "./raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const PLACES = 8;
const HOST = "Host: shop.example\r\n";

/** An application that reads no body under `/held`. */
async function startApplication() {
  const state = { open: 0 };
  const server = createServer((request, response) => {
    state.open += 1;
    response.on("close", () => {
      state.open -= 1;
    });
    if (request.url === "/held") return;
    request.resume().on("end", () => response.end("served"));
  });
  return { state, port: await listen(cleanup, server) };
}

const SIDES = {
  inbound: (applicationPort: number, clock: Clock) =>
    startInboundSide(cleanup, {
      ...{ mode: "PERMISSIVE", protocol: "http", applicationPort, maxConnections: PLACES, clock },
    }),
  outbound: (applicationPort: number, clock: Clock) =>
    startOutboundSide(cleanup, {
      destination: meshDestination([applicationPort], { mutualTls: false, overrides: { protocol: "http" } }),
      ...{ maxConnections: PLACES, clock },
    }),
  gateway: (applicationPort: number, clock: Clock) =>
    startTestGateway(cleanup, applicationPort, {
      ...{ limits: { maxConnections: PLACES }, clock, deadlines: new Deadlines(clock) },
    }),
};

function post(port: number, path: string, length: number, body: string): Socket {
  const client = connectClient(cleanup, port);
  client.write(`POST ${path} HTTP/1.1\r\n${HOST}Content-Length: ${length}\r\n\r\n${body}`);
  return client;
}

/** The response; empty if there is no room. */
async function get(port: number): Promise<string> {
  const client = connectClient(cleanup, port);
  client.write(`GET /a HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
  return (await readAll(client)).text;
}

it.each(["inbound", "outbound", "gateway"] as const)(
  "%s: clients that stall in a body make room for others, and those that send or are held back do not",
  async (side) => {
    const application = await startApplication();
    const clock = startFastClock(cleanup);
    const { port } = await SIDES[side](application.port, clock);
    const size = 32 << 20;
    const heldBack = post(port, "/held", size, "x".repeat(size));
    const moving = post(port, "/a", 100_000, "x");
    const drip = (): void => {
      moving.write("x");
      clock.setTimeout(drip, 200);
    };
    drip();
    const stalled = Array.from({ length: PLACES - 2 }, () => post(port, "/a", 9, "x"));
    await expect.poll(() => application.state.open).toBe(PLACES);
    expect(await get(port)).toBe("");
    for (let more = 0; more < stalled.length; more += 1) {
      await expect.poll(() => get(port)).toContain("served");
      post(port, "/a", 9, "x");
    }
    await expect.poll(() => stalled.every(({ destroyed }) => destroyed)).toBe(true);
    expect([heldBack.destroyed, moving.destroyed]).toEqual([false, false]);
    heldBack.destroy();
  },
);
