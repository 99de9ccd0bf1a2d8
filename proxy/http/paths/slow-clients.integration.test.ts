import { once } from "node:events";
import { connect, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { HOP_VERSIONS } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

describe.each(HOP_VERSIONS)("with HTTP/%s between the sidecars", (version) => {
  describe("limits", () => {
    it("a head that takes too long gets 408", async () => {
      const upstream = await startLenientUpstream(cleanup);
      const destination = meshDestination([upstream.port], { mutualTls: false, overrides: { protocol: "http" } });
      const { port } = await startOutboundSide(cleanup, { destination, http: { limits: { headTimeoutMs: 100 } } });
      expect(await sendRaw(cleanup, port, "GET / HTTP/1.1\r\nHos")).toMatch(/^HTTP\/1\.1 408 /);
    });

    it("a client that does not read pauses its upstream, and gets everything eventually", async () => {
      // The kernel holds up to 10 MB for each of the three hops, in each direction.
      const size = 80_000_000;
      let written = 0;
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () => {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
          const piece = Buffer.alloc(64_000, "x");
          const pump = (): void => {
            while (written < size && socket.write(piece)) written += piece.length;
            if (written >= size) return;
            written += piece.length;
            socket.once("drain", pump);
          };
          pump();
        });
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      cleanup.add(() => server.close());
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("no port");
      const inbound = await startInboundSide(cleanup, {
        mode: "STRICT",
        applicationPort: address.port,
        protocol: "http",
      });
      const { port } = await startOutboundSide(cleanup, {
        destination: meshDestination([inbound.port], {
          overrides: { protocol: "http", connectionPool: { httpVersion: version } },
        }),
      });
      const client = connect({ port, host: "127.0.0.1" });
      cleanup.addSocket(client);
      client.write(GET);
      client.pause();
      let before = -1;
      let stillFor = 0;
      const hasStopped = (): boolean => {
        stillFor = before === written ? stillFor + 1 : 0;
        before = written;
        return stillFor >= 3;
      };
      // On a busy machine the buffers fill slowly over HTTP/2, whose windows begin small.
      await expect.poll(hasStopped, { interval: 200, timeout: 90_000 }).toBe(true);
      expect(written).toBeLessThan(size / 2);
      let read = 0;
      client.on("data", (chunk: Buffer) => {
        read += chunk.length;
      });
      client.resume();
      // A stall is no byte for a while; how long all of them take says something about the machine alone.
      for (let last = 0; last <= size; last = read) {
        await expect.poll(() => read).toBeGreaterThan(last);
      }
    }, 180_000);
  });
});
