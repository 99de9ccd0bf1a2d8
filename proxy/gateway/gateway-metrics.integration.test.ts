import { createServer, type RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { readPage } from "../../net/metrics/exposition-fixture.ts";
import { dialRaw, listen, readUntil, sendRaw } from "../../net/raw-client-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { HELLO, meshDestination, WORLD } from "../mesh-identities-fixture.ts";
import { createTestUpstreamDialer } from "../outbound-side-fixture.ts";
import { listen as listenRaw } from "../raw-sockets-fixture.ts";
import { createProxyMetrics, type ScrapedMetrics } from "../telemetry/proxy-metrics.ts";
import { startTestGateway, type TestGateway } from "./gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(
  application: RequestListener,
  options: Parameters<typeof startTestGateway>[2] = {},
): Promise<TestGateway & { readonly metrics: ScrapedMetrics }> {
  const metrics = createProxyMetrics({ clock: systemClock });
  const upstreamPort = await listen(cleanup, createServer(application));
  return { metrics, ...(await startTestGateway(cleanup, upstreamPort, { metrics, ...options })) };
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of a metric, once there are this many. */
async function samplesOf(metrics: ScrapedMetrics, name: string, count = 1): Promise<readonly Sample[]> {
  let samples: readonly Sample[] = [];
  await expect
    .poll(async () => {
      const lines = (await readPage(metrics)).split("\n").filter((line) => line.startsWith(`${name}{`));
      samples = lines.map((line) => ({
        labels: Object.fromEntries(
          [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = "", value = ""]) => [key, value]),
        ),
        value: Number(line.slice(line.lastIndexOf(" "))),
      }));
      return samples.length;
    })
    .toBe(count);
  return samples;
}

async function flagsOf(metrics: ScrapedMetrics): Promise<readonly string[]> {
  const samples = await samplesOf(metrics, "istio_requests_total");
  return samples.map(({ labels }) => `${labels["response_code"]} ${labels["response_flags"]}`);
}

const HOST = "Host: shop.example\r\nConnection: close\r\n";

describe("a request at the gateway", () => {
  it("is counted by its source, with the service that its route chose", async () => {
    const { port, metrics } = await start((_request, response) => response.end("served"));
    await sendRaw(cleanup, port, `GET /secret HTTP/1.1\r\n${HOST}\r\n`);
    const [sample] = await samplesOf(metrics, "istio_requests_total");
    expect(sample?.value).toBe(1);
    expect(sample?.labels).toMatchObject({
      reporter: "source",
      source_workload: "ingress",
      source_workload_namespace: "istio-system",
      destination_service: "hello.ns1.svc.cluster.local",
      destination_service_name: "hello",
      destination_service_namespace: "ns1",
      request_protocol: "http",
      response_code: "200",
      response_flags: "-",
    });
  });

  it("is counted with all received and sent bytes, and its duration", async () => {
    const { port, metrics } = await start((request, response) => {
      request.resume().once("end", () => response.end("served"));
    });
    const chunks = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    const head = `POST /a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`;
    const answer = await sendRaw(cleanup, port, head + chunks);
    const [request] = await samplesOf(metrics, "istio_request_bytes_sum");
    const [response] = await samplesOf(metrics, "istio_response_bytes_sum");
    const [duration] = await samplesOf(metrics, "istio_request_duration_milliseconds_count");
    expect([request?.value, response?.value, duration?.value]).toEqual([head.length + chunks.length, answer.length, 1]);
  });

  it("is counted separately when several arrive at once on a connection", async () => {
    const { port, metrics } = await start((request, response) => response.end(request.url));
    const first = `GET /${"a".repeat(900)} HTTP/1.1\r\nHost: shop.example\r\n\r\n`;
    const answer = await sendRaw(cleanup, port, `${first}GET /b HTTP/1.1\r\n${HOST}\r\n`);
    const [count] = await samplesOf(metrics, "istio_requests_total");
    const [request] = await samplesOf(metrics, "istio_request_bytes_sum");
    const [response] = await samplesOf(metrics, "istio_response_bytes_sum");
    expect(count?.value).toBe(2);
    expect(request?.value).toBe(first.length + `GET /b HTTP/1.1\r\n${HOST}\r\n`.length);
    expect(response?.value).toBe(answer.length);
  });

  it.each([
    { name: "for an unknown host", head: "GET /a HTTP/1.1\r\nHost: unknown.example\r\n", flags: "404 NR" },
    { name: "that is not HTTP/1.1", head: "GET /a#b HTTP/1.1\r\nHost: shop.example\r\n", flags: "400 DPE" },
  ])("$name is counted, without any text of the client", async ({ head, flags }) => {
    const { port, metrics } = await start((_request, response) => response.end("served"));
    await sendRaw(cleanup, port, `${head}Connection: close\r\n\r\n`);
    expect(await flagsOf(metrics)).toEqual([flags]);
    const [sample] = await samplesOf(metrics, "istio_requests_total");
    expect(sample?.labels["destination_service"]).toBe("unknown");
    expect(await readPage(metrics)).not.toMatch(/unknown\.example|\/a|shop/);
  });

  it("whose service is unreachable counts for that service", async () => {
    const { port, metrics, dialer } = await start(() => undefined);
    dialer.failure = { reason: "no_healthy_endpoint", message: "" };
    await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}\r\n`);
    expect(await flagsOf(metrics)).toEqual(["503 UH"]);
    const [sample] = await samplesOf(metrics, "istio_requests_total");
    expect(sample?.labels["destination_service_name"]).toBe("hello");
  });

  it("whose client disconnects is counted as that", async () => {
    let arrived = (): void => undefined;
    const arriving = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { port, metrics } = await start(() => arrived());
    const client = await dialRaw(cleanup, port);
    client.write(`GET /a HTTP/1.1\r\n${HOST}\r\n`);
    await arriving;
    client.resetAndDestroy();
    expect(await flagsOf(metrics)).toEqual(["0 DC"]);
  });

  it("whose response breaks off counts as the upstream's fault", async () => {
    const { port, metrics } = await start((request, response) => {
      response.writeHead(200, { "content-length": 10 });
      response.write("half", () => request.socket.destroy());
    });
    await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}\r\n`);
    expect(await flagsOf(metrics)).toEqual(["200 UC"]);
  });

  it("that becomes a tunnel is counted when the tunnel ends, with its bytes", async () => {
    const metrics = createProxyMetrics({ clock: systemClock });
    const upstream = createServer().on("upgrade", (_request, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      socket.pipe(socket);
    });
    const { port } = await startTestGateway(cleanup, await listen(cleanup, upstream), { metrics });
    const client = await dialRaw(cleanup, port);
    const head = "GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.write(head);
    const switched = await readUntil(client, "\r\n\r\n");
    client.write("ping");
    const echoed = await readUntil(client, "ping");
    expect((await readPage(metrics)).includes("istio_requests_total{")).toBe(false);
    client.end();
    expect(await flagsOf(metrics)).toEqual(["101 -"]);
    const [request] = await samplesOf(metrics, "istio_request_bytes_sum");
    const [response] = await samplesOf(metrics, "istio_response_bytes_sum");
    expect([request?.value, response?.value]).toEqual([head.length + 4, switched.length + echoed.length]);
  });
});

it("a request over mutual TLS is counted with the workload and the identities at both ends", async () => {
  const metrics = createProxyMetrics({ clock: systemClock });
  const applicationPort = await listen(
    cleanup,
    createServer((_request, response) => response.end("served")),
  );
  const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
  const destination = meshDestination([inbound.port]);
  const { dialer } = createTestUpstreamDialer(cleanup, { destination, meters: metrics });
  const { port } = await startTestGateway(cleanup, await listenRaw(cleanup, () => undefined), { metrics, dialer });
  expect(await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}\r\n`)).toMatch(/^HTTP\/1\.1 200 /);
  const [sample] = await samplesOf(metrics, "istio_requests_total");
  expect(sample?.labels).toMatchObject({
    source_principal: HELLO,
    destination_principal: WORLD,
    destination_workload: "world-tls",
    destination_workload_namespace: "ns2",
    connection_security_policy: "unknown",
  });
});
