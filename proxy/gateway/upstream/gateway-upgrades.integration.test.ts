import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { type ExecutedRequest, OK_REPLY, type Reply } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { startLenientGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const OPENING =
  "GET /chat HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: shop.example\r\n\r\n";

async function start(reply: Reply) {
  return await startLenientGateway(cleanup, { reply });
}

/** An upstream whose responses the test writes. */
async function startHeld() {
  let socket: Socket | undefined;
  const received: ExecutedRequest[] = [];
  const started = await start((request, from) => {
    socket = from;
    received.push(request);
    return undefined;
  });
  const client = await dialRaw(cleanup, started.port);
  const arrived = started.upstream.next("request");
  return {
    ...started,
    client,
    received,
    open: async (bytes: string): Promise<Socket> => {
      client.write(bytes);
      await arrived;
      if (socket === undefined) throw new Error("no connection arrived");
      return socket;
    },
  };
}

describe("a WebSocket", () => {
  it("sends the client's early bytes to the upstream only after the 101", async () => {
    const { open, client, upstream } = await startHeld();
    const server = await open(OPENING + SMUGGLED);
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /chat HTTP/1.1"]);
    const early = readUntil(server, "GET /smuggled");
    server.write(`${SWITCH}hello`);
    expect(await readUntil(client, "hello")).toMatch(/^HTTP\/1\.1 101 /);
    await early;
  });

  it("that the upstream refuses forwards nothing more, not even early bytes", async () => {
    const { open, client, upstream, answers } = await startHeld();
    const server = await open(OPENING + SMUGGLED);
    server.write("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n");
    client.write(SMUGGLED);
    const answer = await readUntilClosed(client);
    expect(answer).toMatch(/^HTTP\/1\.1 403 .*connection: close.*no/is);
    expect(upstream.executed).toHaveLength(1);
    expect(answers).toEqual(["upstream 403"]);
  });

  it("whose refusal breaks off does not look complete", async () => {
    const { open, client } = await startHeld();
    const server = await open(OPENING);
    server.write("HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    await readUntil(client, "half");
    server.end();
    expect(await readUntilClosed(client)).not.toContain("0\r\n\r\n");
  });

  it.each([
    { name: "of the client", sides: (client: Socket, server: Socket) => ({ vanishing: client, staying: server }) },
    { name: "of the upstream", sides: (client: Socket, server: Socket) => ({ vanishing: server, staying: client }) },
  ])("ends on both sides with the vanishing $name, whatever the other one does", async ({ sides }) => {
    const { open, client } = await startHeld();
    const server = await open(OPENING);
    server.write(SWITCH);
    await readUntil(client, "\r\n\r\n");
    const { vanishing, staying } = sides(client, server);
    // It keeps sending and never closes by itself; only a closed connection stops it.
    staying.removeAllListeners("end");
    const talking = setInterval(() => staying.write("still here"), 5);
    cleanup.add(() => clearInterval(talking));
    const closed = new Promise((resolve) => staying.once("close", resolve));
    vanishing.resetAndDestroy();
    await closed;
    expect(staying.destroyed).toBe(true);
  });

  it("forwards a FIN in both directions", async () => {
    const { open, client, upstream } = await startHeld();
    const server = await open(OPENING);
    server.write(`${SWITCH}last words`);
    server.end();
    expect(await readUntilClosed(client)).toMatch(/last words$/);
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it("whose client disconnects before the 101 also closes its upstream's connection", async () => {
    const { open, client, upstream } = await startHeld();
    await open(OPENING);
    client.destroy();
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it.each([
    { name: "an unknown host", opening: OPENING.replace("shop.example", "other.example"), status: 404 },
    { name: "two hosts", opening: OPENING.replace("Host:", "Host: a.example\r\nHost:"), status: 400 },
  ])("for $name is refused with $status", async ({ opening, status }) => {
    const { port, upstream, answers } = await start(OK_REPLY);
    expect(await sendRaw(cleanup, port, opening + SMUGGLED)).toMatch(
      new RegExp(`^HTTP/1\\.1 ${status} .*connection: close`, "is"),
    );
    expect(upstream.executed).toEqual([]);
    expect(answers).toHaveLength(1);
  });

  it.each([
    { name: "cannot be dialled", reason: "no_healthy_endpoint", status: 503 },
    { name: "closes without a response", reason: undefined, status: 502 },
  ])("whose upstream $name gets $status", async ({ reason, status }) => {
    const { port, dialer } = await start((_request, socket) => {
      socket.destroy();
      return undefined;
    });
    if (reason !== undefined) dialer.failure = { reason, message: "" };
    expect(await sendRaw(cleanup, port, OPENING)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it("after a request in progress waits for its turn", async () => {
    const { open, client, upstream } = await startHeld();
    const server = await open(`GET /slow HTTP/1.1\r\nHost: shop.example\r\n\r\n${OPENING}early`);
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /slow HTTP/1.1"]);
    const arrived = upstream.next("request");
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow");
    await arrived;
    const early = readUntil(server, "early");
    server.write(SWITCH);
    expect(await readUntil(client, "101 Switching")).toMatch(/^HTTP\/1\.1 200 .*slowHTTP\/1\.1 101 /s);
    await early;
  });

  it("supports other protocols than WebSocket, and other methods than GET", async () => {
    const { open, client, received } = await startHeld();
    const server = await open(
      "POST /pot HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: tea/1.0, coffee\r\n\r\n",
    );
    expect(received[0]?.head).toMatch(/^POST \/pot HTTP\/1\.1\r\n(?:.+\r\n)*upgrade: tea\/1\.0, coffee/i);
    server.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: coffee\r\n\r\nhot");
    expect(await readUntil(client, "hot")).toMatch(/upgrade: coffee/i);
    client.write("milk");
    await readUntil(server, "milk");
  });
});
