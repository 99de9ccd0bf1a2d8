import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { type Clock, systemClock } from "../../../mesh/runtime.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { findFreePort } from "../../../net/free-port-fixture.ts";
import { dialRaw, listen, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A message of one byte. */
const MESSAGE = "\0\0\0\0\x01x";
const HEAD =
  "POST /a.B/C HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n";
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const END = "0\r\n\r\n";

/** An application that speaks first, without waiting for the end of the request: a message for each of the client's. */
async function startApplication(onCall: (say: () => void, end: () => void) => void): Promise<number> {
  const server = createServer((request, response) => {
    response.writeHead(200, { "content-type": "application/grpc", trailer: "grpc-status" });
    request.resume();
    onCall(
      () => response.write(Buffer.from(MESSAGE, "latin1")),
      () => {
        response.addTrailers({ "grpc-status": "0" });
        response.end();
      },
    );
  });
  return await listen(cleanup, server);
}

/** Through the server's sidecar, and through both. */
const PATHS = [
  { name: "one sidecar", isPair: false },
  { name: "two sidecars", isPair: true },
] as const;

describe.each(PATHS)("gRPC over HTTP/1.1 through $name", ({ isPair }) => {
  async function open(applicationPort: number, clock: Clock = systemClock) {
    const http = { limits: { bodyIdleMs: 1 } };
    const mode = isPair ? "STRICT" : "PERMISSIVE";
    const inbound = await startInboundSide(cleanup, { mode, applicationPort, protocol: "http", http, clock });
    if (!isPair) return { port: inbound.port, sides: [inbound] };
    const destination = meshDestination([inbound.port], { overrides: { protocol: "http" } });
    const outbound = await startOutboundSide(cleanup, { destination, http, clock });
    const sides: readonly Pick<InboundSide, "http">[] = [inbound, outbound];
    return { port: outbound.port, sides };
  }

  it("counts messages without the framing of chunks, and reads the status from the trailers", async () => {
    const port = await startApplication((say, end) => {
      say();
      say();
      end();
    });
    const path = await open(port);
    const client = await dialRaw(cleanup, path.port);
    client.write(HEAD + chunk(MESSAGE.slice(0, 3)) + chunk(MESSAGE.slice(3) + MESSAGE) + END, "latin1");
    client.end();
    const answer = await readUntilClosed(client);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(answer.split(MESSAGE)).toHaveLength(3);
    expect(answer.toLowerCase()).toMatch(/\r\n0\r\ngrpc-status: 0\r\n\r\n$/);
    for (const { http } of path.sides) {
      await expect.poll(() => http.calls).toMatchObject([{ status: 200, flags: "-", grpcStatus: 0 }]);
      expect(http.messages).toEqual([[2, 2]]);
    }
  });

  it("does not cut a call whose client is silent while its server speaks", async () => {
    const { promise: isOver, resolve: endCall } = Promise.withResolvers<void>();
    const port = await startApplication((say, end) => {
      const timer = setInterval(say, 50);
      void isOver.then(() => {
        clearInterval(timer);
        end();
      });
    });
    const path = await open(port);
    const client = await dialRaw(cleanup, path.port);
    client.write(HEAD + chunk(MESSAGE), "latin1");
    // Longer than the limit for a silent client, and than two checks of it.
    for (let read = 0; read < 6; read += 1) await once(client, "data");
    endCall();
    expect((await readUntilClosed(client)).toLowerCase()).toMatch(/(?:^|\n)0\r\ngrpc-status: 0\r\n\r\n$/);
    for (const { http } of path.sides) {
      await expect.poll(() => http.calls).toMatchObject([{ flags: "-", grpcStatus: 0 }]);
    }
  });

  it("resets the client whose deadline passes in the middle of a response: no later response may look like its rest", async () => {
    const clock = new FakeClock(Date.now());
    const path = await open(await startApplication((say) => say()), clock);
    const client = await dialRaw(cleanup, path.port);
    client.write(HEAD.replace("TE:", "grpc-timeout: 60S\r\nTE:") + chunk(MESSAGE) + END, "latin1");
    const [begun] = await once(client, "data");
    expect(String(begun)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const failed = once(client, "error");
    await clock.advance(60_000);
    const [error] = await failed;
    expect(error).toMatchObject({ code: "ECONNRESET" });
    // Of two sidecars, one sees the other's reset.
    for (const { http } of path.sides) {
      await expect.poll(() => http.calls).toMatchObject([{ flags: expect.stringMatching(/^(?:UT|UC|DC)$/) }]);
    }
  });

  it("sends local replies as 200 with the status in the head", async () => {
    const path = await open(await findFreePort());
    const client = await dialRaw(cleanup, path.port);
    client.write(HEAD + chunk(MESSAGE) + END, "latin1");
    const [answer] = await once(client, "data");
    expect(String(answer)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(String(answer)).toMatch(/\r\ncontent-length: 0\r\n/);
    expect(String(answer)).toMatch(/\r\ncontent-type: application\/grpc\r\n/);
    expect(String(answer)).toMatch(/\r\ngrpc-status: 14\r\n/);
    expect(String(answer)).toMatch(/\r\ngrpc-message: upstream connect: /);
  });
});
