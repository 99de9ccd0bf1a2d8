import { EventEmitter, once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { type Clock, systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import type { MetricsSource } from "../../net/metrics/metrics-page.ts";
import { listen } from "../../net/raw-client-fixture.ts";
import { ProxyError } from "../proxy-error.ts";
import { mergeAppMetrics, parseAppMetrics } from "./app-metrics.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const OWN = "# TYPE istio_requests_total counter\nistio_requests_total 1\n";
const source: MetricsSource = {
  contentType: "text/plain",
  read: async () => ({ pieces: [Buffer.from(OWN)], bytes: OWN.length }),
};

/** The page of a proxy beside this application. */
async function pageWith(application: RequestListener, options: { readonly clock?: Clock } = {}) {
  const log = new RecordingLogger();
  const port = await listen(cleanup, createServer(application));
  const target = { port, path: "/metrics?a=b" };
  const merged = mergeAppMetrics({
    source,
    target,
    podIp: "127.0.0.1",
    sourceIp: "127.0.0.6",
    maxBytes: 1000,
    clock: options.clock ?? systemClock,
    log,
  });
  const read = async (): Promise<string> => {
    const { pieces, bytes } = await merged.read();
    const page = Buffer.concat(pieces);
    expect(page.length).toBe(bytes);
    return page.toString();
  };
  return { read, log };
}

describe("the metrics of a proxy and its application", () => {
  it("are one page; the application is asked as Prometheus would, from an address that is not captured", async () => {
    const seen: unknown[] = [];
    const { read } = await pageWith((request, response) => {
      seen.push([request.method, request.url, request.headers.accept, request.socket.remoteAddress]);
      response.end("# TYPE orders counter\norders 7\n");
    });
    const page = await read();
    expect(page.startsWith(OWN)).toBe(true);
    expect(page).toContain("entente_application_metrics_up 1\n# TYPE orders counter\norders 7\n");
    expect(seen).toEqual([["GET", "/metrics?a=b", "text/plain;version=0.0.4", "127.0.0.6"]]);
  });

  it.each([
    { name: "without a last line end", body: "orders 7", expected: "orders 7\n" },
    { name: "of OpenMetrics", body: "orders_total 7\n# EOF\n", expected: "orders_total 7\n" },
    { name: "that is empty", body: "", expected: "entente_application_metrics_up 1\n" },
  ])("are one page with an application's page $name", async ({ body, expected }) => {
    const { read } = await pageWith((_request, response) => void response.end(body));
    const page = await read();
    expect(page.endsWith(expected)).toBe(true);
    expect(page).not.toContain("EOF");
  });

  it("are the proxy's own where the application uses the same names", async () => {
    const { read } = await pageWith((_, response) => {
      response.end("istio_requests_total 999\nentente_application_metrics_up 5\norders 7\n");
    });
    const page = await read();
    expect(page.match(/^(?:istio|entente|orders).*$/gm)).toEqual([
      "istio_requests_total 1",
      "entente_application_metrics_up 1",
      "orders 7",
    ]);
  });

  it.each<{ name: string; application: RequestListener; reason: string }>([
    { name: "fails", application: (_, response) => void response.writeHead(503).end(), reason: "responded with 503" },
    {
      name: "redirects",
      application: (_, response) => void response.writeHead(302).end(),
      reason: "responded with 302",
    },
    { name: "hangs up", application: (request) => void request.socket.destroy(), reason: "socket hang up" },
    {
      name: "cuts its page",
      application: (_, response) =>
        void response.writeHead(200, { "content-length": 50 }).write("a 1\n", () => response.destroy()),
      reason: "aborted",
    },
    {
      name: "sends a web page",
      application: (_, response) => void response.end("<html>\n"),
      reason: "line 1 of its page",
    },
    {
      name: "compresses its page unasked",
      application: (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end("a 1\n"),
      reason: "content coding gzip",
    },
    {
      name: "has too much to say",
      application: (_, response) => void response.end("a".repeat(2000)),
      reason: "more than 1000 bytes",
    },
  ])("are the proxy's alone if the application $name, which is logged once", async ({ application, reason }) => {
    const { read, log } = await pageWith(application);
    await read();
    const page = await read();
    expect(page.startsWith(OWN)).toBe(true);
    expect(page.endsWith("entente_application_metrics_up 0\n")).toBe(true);
    expect(log.find(reason)).toHaveLength(1);
  });
});

it("the proxy's metrics wait five seconds for an application that does not respond", async () => {
  const clock = new FakeClock();
  const asked = new EventEmitter();
  const { read, log } = await pageWith(() => asked.emit("asked"), { clock });
  const arrived = once(asked, "asked");
  const page = read();
  await arrived;
  await clock.advance(5000);
  expect((await page).endsWith("entente_application_metrics_up 0\n")).toBe(true);
  expect(log.find("no response within 5000 ms")).toHaveLength(1);
});

describe("where the application has its metrics", () => {
  it.each([
    { text: '{"scrape":"true","port":"9102","path":"/m?x=1"}', expected: { port: 9102, path: "/m?x=1" } },
    { text: '{"scrape":"true","port":"","path":""}', expected: { port: 80, path: "/metrics" } },
    { text: '{"scrape":"","port":"9102","path":"metrics"}', expected: { port: 9102, path: "/metrics" } },
    { text: '{"scrape":"false","port":"9102"}', expected: undefined },
    { text: '{"scrape":"true","port":"15020"}', expected: undefined },
    { text: "", expected: undefined },
  ])("is read from the pod's annotations: $text", ({ text, expected }) => {
    expect(parseAppMetrics(text)).toEqual(expected);
  });

  it.each(["{", '{"port":"http"}', '{"port":"99999"}', '{"port":9102}', '{"path":"/a b"}', '{"path":"/\\r\\n"}'])(
    "is refused if it cannot be: %j",
    (text) => {
      expect(() => parseAppMetrics(text)).toThrow(ProxyError);
    },
  );
});
