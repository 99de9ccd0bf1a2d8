import { createServer, type RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { parseExposition, readPage } from "../../net/metrics/exposition-fixture.ts";
import { dialRaw, listen, readUntil, sendRaw } from "../../net/raw-client-fixture.ts";
import { createProxyMetrics, type ScrapedMetrics } from "../telemetry/proxy-metrics.ts";
import { listenerOf, ROUTE_ALL, startTestGateway } from "./gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(application: RequestListener, options: Parameters<typeof startTestGateway>[2] = {}) {
  const metrics = createProxyMetrics({ clock: systemClock });
  const upstreamPort = await listen(cleanup, createServer(application));
  return { metrics, ...(await startTestGateway(cleanup, upstreamPort, { metrics, ...options })) };
}

/** How the counted requests ended. */
async function seriesOf(metrics: ScrapedMetrics) {
  return parseExposition(await readPage(metrics))
    .filter(({ name }) => name === "istio_requests_total")
    .map(({ labels, value }) => ({
      ending: `${labels["response_code"]} ${labels["response_flags"]}`,
      requests: value,
    }));
}

const HOST = "Host: shop.example\r\nConnection: close\r\n";

describe("a request's additional flags at the gateway", () => {
  const serve: RequestListener = (_request, response) => response.writeHead(503).end();
  it.each([
    {
      name: "delayed",
      route: { fault: { delay: { fixedDelayMs: 1, percentage: 100 } } },
      flags: "503 DI",
    },
    {
      name: "retried in vain",
      route: { retries: { attempts: 1, retryOn: { conditions: ["5xx" as const], statuses: [] } } },
      flags: "503 URX",
    },
    {
      name: "never retried",
      route: { retries: { attempts: 1, retryOn: { conditions: ["reset" as const], statuses: [] } } },
      flags: "503 -",
    },
  ])("show that it was $name", async ({ route, flags }) => {
    const { port, metrics } = await start(serve, { listeners: [listenerOf(0, [{ ...ROUTE_ALL, ...route }])] });
    await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(async () => (await seriesOf(metrics)).map(({ ending }) => ending)).toEqual([flags]);
  });
});

it("an upstream that responds with 400 statuses adds a bounded number of series, and all requests are counted", async () => {
  let next = 199;
  const { port, metrics } = await start((_request, response) => {
    next += 1;
    response.writeHead(next).end();
  });
  const client = await dialRaw(cleanup, port);
  for (let status = 200; status < 600; status += 1) {
    client.write(`GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n`);
    await readUntil(client, `HTTP/1.1 ${status} `);
  }
  client.destroy();
  const requests = async (): Promise<number> =>
    (await seriesOf(metrics)).reduce((sum, { requests: counted }) => sum + counted, 0);
  await expect.poll(requests).toBeGreaterThanOrEqual(399);
  expect((await seriesOf(metrics)).length).toBeLessThanOrEqual(16 + 5);
});
