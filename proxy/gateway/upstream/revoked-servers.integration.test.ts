import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { formatTaggedSerial, tagOfPodUid } from "../../../mesh/identity/pod-tag.ts";
import { systemClock } from "../../../mesh/runtime.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO, meshDestination, revoke, secureContextsOf, WORLD } from "../../mesh-identities-fixture.ts";
import { createTestUpstreamDialer } from "../../outbound-side-fixture.ts";
import { connectClient, readAll } from "../../raw-sockets-fixture.ts";
import { startHoldingApplication } from "../../revoked-peers-fixture.ts";
import { createProxyMetrics } from "../../telemetry/proxy-metrics.ts";
import { startTestGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const POD = tagOfPodUid("u1");
const REVOKED = { pods: [POD] };

describe("the gateway", () => {
  async function startPath() {
    const { paths, port: applicationPort } = await startHoldingApplication(cleanup, "http");
    const server = await startInboundSide(cleanup, {
      ...{ mode: "STRICT", applicationPort, protocol: "http" },
      secureContexts: secureContextsOf(WORLD, { serialNumber: formatTaggedSerial(randomBytes(20), POD) }),
    });
    const secureContexts = secureContextsOf(HELLO);
    const metrics = createProxyMetrics({ clock: systemClock });
    const destination = meshDestination([server.port], { overrides: { protocol: "http" } });
    const { dialer, recorder } = createTestUpstreamDialer(cleanup, { destination, meters: metrics, secureContexts });
    const gateway = await startTestGateway(cleanup, server.port, { dialer });
    const get = (path: string) =>
      sendRaw(cleanup, gateway.port, `GET ${path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n`);
    return { server, paths, secureContexts, recorder, gateway, get };
  }

  it("sends no request to a server whose pod is revoked, and says why", async () => {
    const { secureContexts, recorder, gateway, get } = await startPath();
    revoke(secureContexts, REVOKED);
    expect(await get("/")).toMatch(/^HTTP\/1\.1 503 .*revoked: mutual TLS with the service failed/s);
    expect(gateway.answers).toEqual(["gateway 503 revoked"]);
    expect(recorder.refusals).toMatchObject([{ reason: "revoked", stage: "handshake", client: "gateway" }]);
  });

  it("ends a request in progress by a local reply, and closes the kept connections", async () => {
    const { server, paths, secureContexts, recorder, gateway, get } = await startPath();
    expect(await get("/")).toMatch(/^HTTP\/1\.1 200 /);
    const answers = [get("/silent"), get("/silent")];
    await expect.poll(() => paths).toHaveLength(3);
    expect(server.registry.size).toBe(2);
    revoke(secureContexts, REVOKED);
    await expect.poll(() => server.registry.size).toBe(0);
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 503 .*revoked/s);
    expect(recorder.cuts).toEqual(["revoked", "revoked"]);
    expect(gateway.answers.slice(1).every((answer) => answer.includes("revoked"))).toBe(true);
  });

  it("closes a connection that is kept without a request, and goes on", async () => {
    const { server, secureContexts, get } = await startPath();
    expect(await get("/")).toMatch(/^HTTP\/1\.1 200 /);
    expect(server.registry.size).toBe(1);
    revoke(secureContexts, REVOKED);
    await expect.poll(() => server.registry.size).toBe(0);
    revoke(secureContexts, {});
    expect(await get("/")).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("cuts a tunnel", async () => {
    const { secureContexts, gateway, server } = await startPath();
    const client = connectClient(cleanup, gateway.port);
    client.write("GET /tunnel HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    await once(client, "data");
    const ended = readAll(client);
    revoke(secureContexts, REVOKED);
    await ended;
    await expect.poll(() => server.registry.size).toBe(0);
  });
});
