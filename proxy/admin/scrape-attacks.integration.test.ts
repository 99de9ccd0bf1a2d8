import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { type Clock, systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { ask, createRecordedLog } from "../../net/http-fixture.ts";
import { readPage } from "../../net/metrics/exposition-fixture.ts";
import { createScrapes, type Scrapes } from "../../net/metrics/scrapes.ts";
import { until } from "../../net/until-fixture.ts";
import { createProxyMetrics } from "../telemetry/proxy-metrics.ts";
import { startMetricsServer, startStatusServer } from "./status-server.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const MEGABYTE = 1024 * 1024;
const PATH = "/stats/prometheus";

interface PageOptions {
  /** @default the system's */
  readonly clock?: Clock;
  /** A page is being written until so many have asked for it. @default 1 */
  readonly awaited?: number;
}

/** Serves a page of this size, and counts how many are written and how many are being read. */
async function startPages(bytes: number, { clock = systemClock, awaited = 1 }: PageOptions = {}) {
  const piece = Buffer.alloc(65_536, "x");
  const page = { pieces: Array.from({ length: bytes / piece.length }, () => piece), bytes };
  let written = 0;
  let readers = 0;
  let asked = 0;
  const read = async () => {
    written += 1;
    await until(() => asked >= awaited);
    return page;
  };
  const scrapes = createScrapes({ source: { contentType: "text/plain", read }, clock });
  const counted: Scrapes = {
    contentType: scrapes.contentType,
    async scrape(client) {
      asked += 1;
      const scrape = await scrapes.scrape(client);
      if (scrape.kind !== "page") return scrape;
      readers += 1;
      return {
        ...scrape,
        release: () => {
          readers -= 1;
          scrape.release();
        },
      };
    },
  };
  const server = await startMetricsServer({ port: 0, host: "127.0.0.1", metrics: counted, log: createRecordedLog() });
  cleanup.add(() => server.stop());
  return { port: server.port, written: () => written, readers: () => readers };
}

async function askAndStopReading(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  cleanup.add(() => void socket.destroy());
  socket.write(`GET ${PATH} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await once(socket, "readable");
  return socket;
}

describe("a page of metrics", () => {
  it("is written once for many who scrape at the same time, and each gets all of it", async () => {
    const { port, written } = await startPages(MEGABYTE / 2, { awaited: 20 });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(port, { path: PATH })));
    expect(answers.map(({ status, body }) => `${status} ${body.length}`)).toEqual(
      Array.from({ length: 20 }, () => `200 ${MEGABYTE / 2}`),
    );
    expect(written()).toBe(1);
  });

  it("is refused to an address that reads too much, with Retry-After; others get it", async () => {
    // What an address may read grows with time, which a busy machine takes.
    const { port } = await startPages(8 * MEGABYTE, { clock: new FakeClock() });
    const askMuch = () => ask(port, { path: PATH, localAddress: "127.0.0.2" });
    expect([(await askMuch()).status, (await askMuch()).status]).toEqual([200, 200]);
    const refused = await Promise.all(Array.from({ length: 10 }, askMuch));
    expect(refused.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 429));
    expect(Number(refused[0]?.headers["retry-after"])).toBeGreaterThan(0);
    expect((await ask(port, { path: PATH, localAddress: "127.0.0.3" })).body.length).toBe(8 * MEGABYTE);
  });

  it("is released when its reader disconnects, however much of it was read", async () => {
    const { port, readers } = await startPages(8 * MEGABYTE);
    const slow = [await askAndStopReading(port), await askAndStopReading(port)];
    expect(readers()).toBe(2);
    for (const socket of slow) socket.destroy();
    await expect.poll(readers).toBe(0);
  });

  it("responds to HEAD with its length only", async () => {
    const { port, readers } = await startPages(MEGABYTE);
    const answer = await ask(port, { path: PATH, method: "HEAD" });
    expect([answer.status, answer.headers["content-length"], answer.body]).toEqual([200, String(MEGABYTE), ""]);
    await expect.poll(readers).toBe(0);
  });
});

it("kubelet's probe is served while others scrape a full page without a pause, and nothing is left behind", async () => {
  const metrics = createProxyMetrics({ clock: systemClock });
  for (let index = 0; index < 200; index += 1) {
    const name = `s${index}`;
    const service = { host: `${name}.ns.svc.cluster.local`, name, namespace: "ns" };
    const meter = metrics.requestMeter({ reporter: "source", security: "unknown", service });
    meter.count({ status: 200, flags: "-", durationMs: 1, requestBytes: 1, responseBytes: 1 });
  }
  const log = createRecordedLog();
  const server = await startStatusServer({
    port: 0,
    host: "127.0.0.1",
    readiness: () => ({ ready: true }),
    metrics: createScrapes({ source: metrics, clock: systemClock }),
    probes: { run: async () => undefined },
    onQuit: () => undefined,
    onDrain: () => undefined,
    log,
  });
  cleanup.add(() => server.stop());
  let isOver = false;
  const statuses = new Set<number>();
  const flood = Array.from({ length: 8 }, async (_, index) => {
    while (!isOver) statuses.add((await ask(server.port, { path: PATH, localAddress: `127.0.0.${index + 2}` })).status);
  });
  for (let probe = 0; probe < 20; probe += 1) {
    expect((await ask(server.port, { path: "/healthz/ready" })).status).toBe(200);
  }
  isOver = true;
  await Promise.all(flood);
  // Pages are paced for all clients together; a client that still reads too much gets 429.
  expect([...statuses].filter((status) => status !== 200 && status !== 429)).toEqual([]);
  expect(statuses.has(200)).toBe(true);
  expect(log.lines).toEqual([]);
});

describe("an upstream that responds with every status", () => {
  it("adds a bounded number of series, and the page's other series stay", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock() });
    const honest = metrics.requestMeter({ reporter: "destination", security: "mutual_tls" });
    const hostile = metrics.requestMeter({ reporter: "source", security: "unknown" });
    const request = { flags: "-", durationMs: 1, requestBytes: 10, responseBytes: 10 } as const;
    honest.count({ ...request, status: 200 });
    const before = (await metrics.read()).bytes;
    for (let status = 100; status < 1000; status += 1) hostile.count({ ...request, status });
    const after = (await metrics.read()).bytes;
    const text = await readPage(metrics);
    expect(text.match(/^istio_requests_total\{reporter="source"/gm)?.length).toBeLessThanOrEqual(16 + 9);
    expect(text).toContain('istio_requests_total{reporter="destination"');
    expect(after - before).toBeLessThan(2 * MEGABYTE);
  });

  it("in a hundred workloads fills the page to its limit, and every workload's requests are still counted", async () => {
    const metrics = createProxyMetrics({ clock: new FakeClock(), maxPageBytes: 2 * MEGABYTE });
    const request = { flags: "-", durationMs: 1, requestBytes: 10, responseBytes: 10 } as const;
    const service = (index: number) => ({ host: `s${index}.ns.svc.cluster.local`, name: `s${index}`, namespace: "ns" });
    for (let index = 0; index < 100; index += 1) {
      const meter = metrics.requestMeter({ reporter: "source", security: "unknown", service: service(index) });
      for (let status = 200; status < 600; status += 1) meter.count({ ...request, status });
    }
    const text = await readPage(metrics);
    expect(text.length).toBeLessThanOrEqual(2 * MEGABYTE);
    expect(text).toContain("entente_metrics_truncated 1\n");
    const counted = new Set(
      [...text.matchAll(/^istio_requests_total\{.*destination_service_name="(s\d+)"/gm)].map(([, name]) => name),
    );
    expect(counted.size).toBe(100);
  });
});
