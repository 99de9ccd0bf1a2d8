import { once } from "node:events";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { listen } from "../../raw-sockets-fixture.ts";
import { HOP_VERSIONS, startTwoSidecars, type TwoSidecarsOptions } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe.each(HOP_VERSIONS)("with HTTP/%s between the sidecars", (version) => {
  const start = (options: Omit<TwoSidecarsOptions, "hopVersion"> = {}) =>
    startTwoSidecars(cleanup, { hopVersion: version, ...options });

  describe("protocols", () => {
    it("HTTP is recognised on an undeclared port", async () => {
      const { port, upstream, outbound, inbound } = await start({ protocol: "undeclared" });
      expect(await sendRaw(cleanup, port, LAST)).toMatch(/200 OK/);
      expect(upstream.executed[0]?.head).toMatch(/x-forwarded-client-cert: By=/);
      expect([outbound.http.counted.length, inbound.http.counted.length]).toEqual([1, 1]);
    });

    it("a request line that comes byte by byte does not get a forged identity through", async () => {
      const { port, upstream } = await start({ protocol: "undeclared" });
      const client = await dialRaw(cleanup, port);
      for (const byte of "GET /slow HTTP/1.1\r\n") {
        client.write(byte);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      client.write("Host: a\r\nX-Forwarded-Client-Cert: URI=forged\r\nConnection: close\r\n\r\n");
      await readUntilClosed(client);
      expect(upstream.executed.some(({ head }) => head.includes("forged"))).toBe(false);
    });

    it("HTTP/2 with prior knowledge reaches an HTTP/1.1 application on a port that is http", async () => {
      const { port, upstream } = await start({ protocol: "http" });
      expect(await askHttp2(port)).toContain("served GET /x HTTP/1.1");
      expect(upstream.executed).toHaveLength(1);
    });

    it("HTTP/2 with prior knowledge is relayed on a port that is undeclared", async () => {
      const server = createHttp2Server((request, response) => response.end(`h2 ${request.url}`));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      cleanup.add(() => server.close());
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("no port");
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort: address.port });
      const { port } = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
      expect(await askHttp2(port)).toBe("h2 /x");
    });

    it("a server that speaks first is forwarded at once on an undeclared port", async () => {
      const applicationPort = await listen(cleanup, (socket: Socket) => socket.write("220 ready\r\n"));
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
      const { port } = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
      await readUntil(await dialRaw(cleanup, port), "220 ready");
    });

    it("a text protocol without line ends is relayed", async () => {
      const applicationPort = await listen(cleanup, (socket: Socket) => void socket.pipe(socket));
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
      const { port } = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
      const client = await dialRaw(cleanup, port);
      client.write("hello");
      await readUntil(client, "hello");
    });
  });

  /** The content of a response to a client of HTTP/2. */
  async function askHttp2(port: number): Promise<string> {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    cleanup.add(() => session.destroy());
    const stream = session.request({ ":path": "/x" });
    stream.setEncoding("utf8");
    let text = "";
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    await once(stream, "end");
    return text;
  }
});
