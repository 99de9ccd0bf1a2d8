import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type ClientHttp2Session, connect } from "node:http2";
import { Agent, request } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type FreedMemory, poisonFreedMemory } from "../../connections/memory/read-memory-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { startHttp2Server } from "../upstream/http2-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

let freed: FreedMemory;
beforeAll(() => {
  freed = poisonFreedMemory();
});
afterAll(() => freed.restore());

/** Sends the request's content back, with its length or in chunks. */
function echo(incoming: IncomingMessage, response: ServerResponse): void {
  if (incoming.url === "/length") response.setHeader("content-length", incoming.headers["content-length"] ?? "");
  incoming.pipe(response);
}

async function connectClient(): Promise<ClientHttp2Session> {
  const server = createServer(echo).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.closeAllConnections());
  cleanup.add(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort: address.port, protocol: "http" });
  const session = connect(`http://127.0.0.1:${side.port}`);
  cleanup.add(() => session.destroy());
  return session;
}

async function send(session: ClientHttp2Session, path: string, body: Buffer): Promise<Buffer> {
  const stream = session.request({ ":method": "POST", ":path": path, "content-length": body.length });
  stream.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function randomBodies(): readonly Buffer[] {
  return Array.from({ length: 8 }, (_, index) => randomBytes(1_000_000 + index * 10_007));
}

function expectSame(bodies: readonly Buffer[], echoed: readonly Buffer[]): void {
  expect(echoed.map((each, index) => bodies[index]?.equals(each))).toEqual(bodies.map(() => true));
}

function bytesOf(bodies: readonly Buffer[]): number {
  return bodies.reduce((sum, body) => sum + body.length, 0);
}

describe("bodies whose memory is freed when it is written", () => {
  it.each(["/length", "/chunks"])(
    "of HTTP/2 clients arrive unchanged in both directions, many at a time: %s",
    async (path) => {
      const session = await connectClient();
      const before = freed.bytes;
      const bodies = randomBodies();
      expectSame(bodies, await Promise.all(bodies.map((body) => send(session, path, body))));
      expect(freed.bytes - before).toBeGreaterThan(1.4 * bytesOf(bodies));
    },
  );

  it("of HTTP/1.1 clients arrive unchanged over a shared HTTP/2 connection", async () => {
    const server = await startHttp2Server(cleanup, {
      onStream: (stream) => {
        stream.respond({ ":status": 200 });
        stream.pipe(stream);
      },
    });
    const overrides = { protocol: "http", connectionPool: { httpVersion: "2" } } as const;
    const destination = meshDestination([server.port], { overrides });
    const { port } = await startOutboundSide(cleanup, { destination });
    const agent = new Agent();
    cleanup.add(() => agent.destroy());
    const before = freed.bytes;
    const bodies = randomBodies();
    const echoed = bodies.map(async (body) => {
      const response = await request(`http://127.0.0.1:${port}/`, { dispatcher: agent, method: "POST", body });
      return Buffer.from(await response.body.arrayBuffer());
    });
    expectSame(bodies, await Promise.all(echoed));
    expect(freed.bytes - before).toBeGreaterThan(1.2 * bytesOf(bodies));
  });
});
