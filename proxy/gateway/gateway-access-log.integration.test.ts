import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { type Reply, startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../net/raw-client-fixture.ts";
import type { AccessLogEntry } from "../telemetry/request-meter.ts";
import { startTestGateway } from "./gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(reply?: Reply) {
  const entries: AccessLogEntry[] = [];
  const upstream = await startLenientUpstream(cleanup, reply);
  const accessLog = { write: (entry: AccessLogEntry) => void entries.push(entry) };
  return { entries, ...(await startTestGateway(cleanup, upstream.port, { accessLog })) };
}

const HOST = "Host: shop.example\r\n";

describe("the gateway's access log", () => {
  it("has a line for each request, with its source and upstream", async () => {
    const { port, entries } = await start();
    const request = `LOCK /a?b HTTP/1.1\r\n${HOST}User-Agent: curl\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`;
    const answer = await sendRaw(cleanup, port, request);
    await expect.poll(() => entries.length).toBe(1);
    expect(entries[0]).toMatchObject({
      kind: "request",
      direction: "outbound",
      method: "LOCK",
      path: "/a?b",
      authority: "shop.example",
      protocol: "HTTP/1.1",
      status: 200,
      flags: "-",
      details: "",
      bytesReceived: request.length,
      bytesSent: answer.length,
      userAgent: "curl",
      cluster: "outbound|8080||hello.ns1.svc.cluster.local",
      route: "VirtualService/test.default[0]",
      downstream: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      destination: `127.0.0.1:${port}`,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it("contains the reason of a local reply", async () => {
    const { port, entries, dialer } = await start();
    dialer.failure = { reason: "no_healthy_endpoint", message: "" };
    await sendRaw(
      cleanup,
      port,
      `GET /a HTTP/1.1\r\n${HOST}\r\nGET /b HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n`,
    );
    await expect.poll(() => entries.length).toBe(2);
    expect(entries[0]).toMatchObject({
      status: 503,
      flags: "UH",
      details: expect.stringMatching(/^no_healthy_endpoint: /),
    });
    expect(entries[1]).toMatchObject({ status: 404, flags: "NR", details: "no_host: no such host here", route: "" });
  });

  it("has a tunnel's line when the tunnel ends, with its bytes", async () => {
    const { port, entries } = await start(
      () => "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhot",
    );
    const client = await dialRaw(cleanup, port);
    const head = `GET /a HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: x\r\n\r\n`;
    client.write(head);
    const answer = await readUntil(client, "hot");
    client.write("milk");
    expect(entries).toEqual([]);
    client.end();
    await expect.poll(() => entries.length).toBe(1);
    expect(entries[0]).toMatchObject({ status: 101, bytesReceived: head.length + 4, bytesSent: answer.length });
  });
});
