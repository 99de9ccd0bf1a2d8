import { afterEach, describe, expect, it } from "vitest";
import type { HttpRoute } from "../../mesh/policy/routing/http-route.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../net/raw-client-fixture.ts";
import { createNoMetrics } from "../telemetry/proxy-metrics.ts";
import type { AccessLogEntry } from "../telemetry/request-meter.ts";
import { createTestDialer, listenerOf, ROUTE_ALL, startTestGateway } from "./gateway-fixture.ts";
import type { GatewayOptions } from "./gateway-options.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A value that `node:http` rejects with an exception. Validation lets none of these into a configuration. */
const HOSTILE = { set: [{ name: "x-hostile", value: "a\r\nb" }], add: [], remove: [] };
const NO_EDIT = { set: [], add: [], remove: [] };
const OPENING = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

interface StartOptions {
  readonly route?: Partial<HttpRoute>;
  readonly gateway?: Partial<GatewayOptions>;
}

/** Requests to /bad get `route`, all others are served. */
async function start({ route, gateway = {} }: StartOptions) {
  const entries: AccessLogEntry[] = [];
  const upstream = await startLenientUpstream(cleanup);
  const matches = [
    {
      uri: { kind: "prefix", value: "/bad" } as const,
      ...{ headers: [], withoutHeaders: [], queryParams: [], ignoreUriCase: false },
    },
  ];
  const listeners = [listenerOf(0, [{ ...ROUTE_ALL, ...route, matches }, ROUTE_ALL])];
  const accessLog = { write: (entry: AccessLogEntry) => void entries.push(entry) };
  const started = await startTestGateway(cleanup, upstream.port, { listeners, accessLog, ...gateway });
  const faults = () => started.log.lines.filter(({ fields }) => fields["code"] === "gateway_fault").length;
  return { ...started, upstream, entries, faults };
}

function requestTo(path: string, headers = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: shop.example\r\n${headers}\r\n`;
}

describe("an exception of node:http while a gateway serves a request", () => {
  interface Row {
    readonly name: string;
    readonly route: Partial<HttpRoute>;
    readonly headers?: string;
  }
  const rows: readonly Row[] = [
    { name: "in the request to the upstream", route: { headers: { request: HOSTILE, response: NO_EDIT } } },
    { name: "in the upstream's response", route: { headers: { request: NO_EDIT, response: HOSTILE } } },
    {
      name: "in a local reply",
      route: { redirect: { uri: "/", code: 302 }, targets: [], headers: { request: NO_EDIT, response: HOSTILE } },
    },
    {
      name: "after an injected delay",
      route: {
        fault: { delay: { percentage: 100, fixedDelayMs: 1 } },
        headers: { request: HOSTILE, response: NO_EDIT },
      },
    },
    {
      name: "in the request to switch protocols",
      route: { headers: { request: HOSTILE, response: NO_EDIT } },
      headers: OPENING,
    },
    {
      name: "in the response that refuses to switch protocols",
      route: { headers: { request: NO_EDIT, response: HOSTILE } },
      headers: OPENING,
    },
  ];
  it.each(rows)("$name cuts this client, and others are served", async ({ route, headers = "" }) => {
    const { port, faults, answers, entries } = await start({ route });
    const other = await dialRaw(cleanup, port);
    other.write(requestTo("/a"));
    await readUntil(other, "served GET /a");
    expect(await sendRaw(cleanup, port, requestTo("/bad", headers))).toBe("");
    other.write(requestTo("/b"));
    await readUntil(other, "served GET /b");
    await expect.poll(() => entries.length).toBe(3);
    const bad = entries.filter(({ path }) => path === "/bad");
    expect(bad).toMatchObject([{ flags: expect.stringMatching(/\bDO$/), details: "gateway_fault" }]);
    expect(answers.filter((answer) => answer === "gateway 0 gateway_fault")).toHaveLength(1);
    expect(faults()).toBe(1);
  });
});

describe("an exception in an event of a connection", () => {
  it("of a client's response cuts the client and closes its upstream connection", async () => {
    const metrics = {
      ...createNoMetrics(),
      gatewayResponded: (origin: string) => {
        if (origin === "upstream") throw new Error("no label");
      },
    };
    const { port, upstream, entries } = await start({ gateway: { metrics } });
    expect(await sendRaw(cleanup, port, requestTo("/a"))).toBe("");
    await expect.poll(() => [entries.length, upstream.connections]).toEqual([1, 0]);
  });

  it("of a pooled upstream connection closes that connection after the response", async () => {
    const upstream = await startLenientUpstream(cleanup);
    const dialer = createTestDialer(upstream.port);
    const { port, answers } = await start({
      gateway: {
        dialer: {
          dial: async (target, signal) => {
            const dialed = await dialer.dial(target, signal);
            const isCurrent = (): boolean => {
              throw new Error("no certificate");
            };
            return dialed.kind === "connected" ? { ...dialed, isCurrent } : dialed;
          },
        },
      },
    });
    const client = await dialRaw(cleanup, port);
    client.write(requestTo("/a"));
    await readUntil(client, "served GET /a");
    await expect.poll(() => answers).toContain("gateway 0 gateway_fault");
    await expect.poll(() => upstream.connections).toBe(0);
    client.write(requestTo("/b"));
    await readUntil(client, "served GET /b");
  });

  it("of a new upstream connection becomes a local reply", async () => {
    const dialer = createTestDialer((await startLenientUpstream(cleanup)).port);
    const onChange = (): never => {
      throw new Error("no registry");
    };
    const { port } = await start({
      gateway: {
        dialer: {
          dial: async (target, signal) => {
            const dialed = await dialer.dial(target, signal);
            return dialed.kind === "connected" ? { ...dialed, onChange } : dialed;
          },
        },
      },
    });
    expect(await sendRaw(cleanup, port, requestTo("/a", "Connection: close\r\n"))).toMatch(/^HTTP\/1\.1 502 /);
  });

  it("logs a few lines a second, however many clients cause it", async () => {
    const { port, faults, answers } = await start({ route: { headers: { request: HOSTILE, response: NO_EDIT } } });
    const clients = await Promise.all(Array.from({ length: 40 }, () => dialRaw(cleanup, port)));
    for (const client of clients) client.write(requestTo("/bad"));
    await Promise.all(clients.map(readUntilClosed));
    expect(answers.filter((answer) => answer === "gateway 0 gateway_fault")).toHaveLength(40);
    // At most five a second; a slow machine may need several seconds.
    expect(faults()).toBeLessThan(40);
  });
});
