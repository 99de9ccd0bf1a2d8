import { createServer, type RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { parseExposition, readPage } from "../../net/metrics/exposition-fixture.ts";
import { listen, sendRaw } from "../../net/raw-client-fixture.ts";
import { createProxyMetrics, type ScrapedMetrics } from "../telemetry/proxy-metrics.ts";
import { formatRequest, listenerOf, ROUTE_ALL, startTestGateway, type TestGatewayOptions } from "./gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const MESSAGE = "\0\0\0\0\x02hi";

/** A call of gRPC over HTTP/1.1 with one message, as bytes. */
function call(fields = "", host = "shop.example"): string {
  const headers = `${fields}Content-Type: application/grpc\r\nTE: trailers\r\nConnection: close\r\nContent-Length: 7\r\n`;
  return formatRequest("/hello.Greeter/SayHello", { method: "POST", headers, body: MESSAGE }).replace(
    "shop.example",
    host,
  );
}

async function start(application: RequestListener, options: TestGatewayOptions = {}) {
  const metrics = createProxyMetrics({ clock: systemClock });
  const upstreamPort = await listen(cleanup, createServer(application));
  return { metrics, ...(await startTestGateway(cleanup, upstreamPort, { metrics, ...options })) };
}

/** Responds with two messages, and its status in trailers. */
const GREET: RequestListener = (_request, response) => {
  response.writeHead(200, { "content-type": "application/grpc", trailer: "grpc-status" });
  response.write(MESSAGE + MESSAGE);
  response.addTrailers({ "grpc-status": "5" });
  response.end();
};

const SILENT: RequestListener = () => undefined;

async function seriesOf(metrics: ScrapedMetrics, name: string) {
  return parseExposition(await readPage(metrics)).filter((sample) => sample.name === name);
}

describe("the gateway's own reply to a call of gRPC", () => {
  it.each([
    { name: "no host", request: call("", "other.example"), status: 12, message: "no_host" },
    {
      name: "an injected failure",
      request: call(),
      route: { fault: { abort: { httpStatus: 503, percentage: 100 } } },
      status: 14,
      message: "fault_abort",
    },
    { name: "its client's deadline", request: call("Grpc-Timeout: 50m\r\n"), status: 4, message: "route_timeout" },
    { name: "its route's timeout", request: call(), route: { timeoutMs: 50 }, status: 4, message: "route_timeout" },
    {
      name: "its route's timeout, which is shorter than its client's",
      request: call("grpc-timeout: 1H\r\n"),
      route: { timeoutMs: 50 },
      status: 4,
      message: "route_timeout",
    },
  ])("is trailers alone: $name", async ({ request, route, status, message }) => {
    const { port } = await start(SILENT, { route });
    const answer = await sendRaw(cleanup, port, request);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer).toMatch(/\r\ncontent-type: application\/grpc\r\n/i);
    expect(answer).toContain(`\r\ngrpc-status: ${status}\r\n`);
    expect(answer).toMatch(new RegExp(`\r\ngrpc-message: ${message}: .*\r\n\r\n$`, "s"));
  });

  it("stays a redirect where its route redirects", async () => {
    const route = { redirect: { code: 301 as const, host: "other.example" } };
    const { port } = await start(SILENT, { route });
    expect(await sendRaw(cleanup, port, call())).toMatch(/^HTTP\/1\.1 301 /);
  });

  it("is not given to other requests, which get text", async () => {
    const { port } = await start(SILENT);
    const request = call("", "other.example").replace("application/grpc", "application/json");
    const answer = await sendRaw(cleanup, port, request);
    expect(answer).toMatch(/^HTTP\/1\.1 404 .*\r\n\r\nno_host: no such host here\n$/s);
    expect(answer).not.toContain("grpc-status");
  });
});

describe("a call of gRPC at the gateway", () => {
  it("reaches its server with the time that is left", async () => {
    const received: string[] = [];
    const application: RequestListener = (request, response) => {
      received.push(String(request.headers["grpc-timeout"]));
      GREET(request, response);
    };
    const { port } = await start(application, { route: { timeoutMs: 50_000 } });
    await sendRaw(cleanup, port, call("grpc-timeout: 1H\r\n"));
    await sendRaw(cleanup, port, call());
    expect(received).toEqual([expect.stringMatching(/^[1-5]\d{4}m$/), expect.stringMatching(/^[1-5]\d{4}m$/)]);
  });

  it("keeps the field that its route sets", async () => {
    const received: string[] = [];
    const application: RequestListener = (request, response) => {
      received.push(String(request.headers["grpc-timeout"]));
      GREET(request, response);
    };
    const operations = {
      request: { set: [{ name: "grpc-timeout", value: "7S" }], add: [], remove: [] },
      response: { set: [], add: [], remove: [] },
    };
    const { port } = await start(application, { listeners: [listenerOf(0, [{ ...ROUTE_ALL, headers: operations }])] });
    await sendRaw(cleanup, port, call("grpc-timeout: 1H\r\n"));
    expect(received).toEqual(["7S"]);
  });

  it("is counted as gRPC, with its status and its messages", async () => {
    const { port, metrics } = await start(GREET);
    await sendRaw(cleanup, port, call());
    await expect.poll(async () => (await seriesOf(metrics, "istio_requests_total")).length).toBe(1);
    const [request] = await seriesOf(metrics, "istio_requests_total");
    expect(request?.labels).toMatchObject({
      request_protocol: "grpc",
      grpc_response_status: "5",
      response_code: "200",
    });
    expect((await seriesOf(metrics, "istio_request_messages_total")).map(({ value }) => value)).toEqual([1]);
    expect((await seriesOf(metrics, "istio_response_messages_total")).map(({ value }) => value)).toEqual([2]);
  });

  it("that gets a local reply is counted with the status of that reply", async () => {
    const { port, metrics } = await start(GREET);
    await sendRaw(cleanup, port, call("", "other.example"));
    await expect.poll(async () => (await seriesOf(metrics, "istio_requests_total")).length).toBe(1);
    const [request] = await seriesOf(metrics, "istio_requests_total");
    expect(request?.labels).toMatchObject({ grpc_response_status: "12", response_code: "200", response_flags: "NR" });
  });
});
