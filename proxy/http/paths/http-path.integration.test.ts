import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Agent, request } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type FreedMemory, poisonFreedMemory } from "../../connections/memory/read-memory-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO, meshDestination, WORLD } from "../../mesh-identities-fixture.ts";
import { type OutboundSide, startOutboundSide } from "../../outbound-side-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

let freed: FreedMemory;
beforeAll(() => {
  freed = poisonFreedMemory();
});
afterAll(() => freed.restore());

interface Path {
  readonly inbound: InboundSide;
  readonly outbound: OutboundSide;
  readonly url: string;
  readonly agent: Agent;
}

/** A client, two sidecars with mutual TLS between them, and an application. */
async function startPath(application: (request: IncomingMessage, response: ServerResponse) => void): Promise<Path> {
  const server = createServer(application);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.closeAllConnections());
  cleanup.add(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort: address.port, protocol: "http" });
  const destination = meshDestination([inbound.port], { overrides: { protocol: "http" } });
  const outbound = await startOutboundSide(cleanup, { destination });
  const agent = new Agent();
  cleanup.add(() => agent.destroy());
  return { inbound, outbound, agent, url: `http://127.0.0.1:${outbound.port}` };
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString();
    response.end(JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }));
  });
}

describe("a request through two sidecars", () => {
  it("arrives with the client's verified identity and a request id", async () => {
    const { url, agent, inbound, outbound } = await startPath(echo);
    const headers = { "x-forwarded-client-cert": "By=spiffe://forged;URI=spiffe://forged" };
    const response = await request(`${url}/a?b=c`, { dispatcher: agent, headers });
    expect(response.statusCode).toBe(200);
    const seen = JSON.parse(await response.body.text());
    expect(seen).toMatchObject({ method: "GET", url: "/a?b=c" });
    expect(seen.headers["x-forwarded-client-cert"]).toMatch(
      new RegExp(`^By=${WORLD};Hash=[0-9a-f]{64};Subject="";URI=${HELLO}$`),
    );
    expect(seen.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(outbound.http.counted).toMatchObject([{ status: 200, flags: "-" }]);
    expect(inbound.http.counted).toMatchObject([{ status: 200, flags: "-" }]);
  });

  it("reuses the connection of the request before it", async () => {
    const { url, agent, inbound } = await startPath(echo);
    for (let index = 0; index < 20; index += 1) {
      const response = await request(url, { dispatcher: agent, method: "POST", body: `n${index}` });
      expect(JSON.parse(await response.body.text()).body).toBe(`n${index}`);
    }
    expect(inbound.registry.size).toBe(1);
  });

  it("carries a body of 8 MB in both directions", async () => {
    const { url, agent } = await startPath((incoming, response) => void incoming.pipe(response));
    const body = randomBytes(8_000_000);
    const response = await request(url, { dispatcher: agent, method: "POST", body });
    expect(body.equals(Buffer.from(await response.body.arrayBuffer()))).toBe(true);
    // Two sidecars, two directions; the first part of a request is kept for a retry.
    expect(freed.bytes).toBeGreaterThan(0.75 * 4 * body.length);
  });

  it("gets 503 with the reason when the application is down", async () => {
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort: 1, protocol: "http" });
    const destination = meshDestination([inbound.port], { overrides: { protocol: "http" } });
    const outbound = await startOutboundSide(cleanup, { destination });
    const response = await request(`http://127.0.0.1:${outbound.port}/`);
    expect(response.statusCode).toBe(503);
    expect(await response.body.text()).toContain("upstream connect: cannot connect to 127.0.0.1:1: ECONNREFUSED");
    expect(inbound.http.counted).toMatchObject([{ status: 503, flags: "UF" }]);
  });
});
