import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, sendRaw } from "../../../net/raw-client-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { HELLO, meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { HOP_VERSIONS, startTwoSidecars, type TwoSidecarsOptions } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe.each(HOP_VERSIONS)("with HTTP/%s between the sidecars", (version) => {
  const start = (options: Omit<TwoSidecarsOptions, "hopVersion"> = {}) =>
    startTwoSidecars(cleanup, { hopVersion: version, ...options });

  describe("upstreams that fail", () => {
    it.each([
      { name: "GET is retried when a reused connection died", method: "GET", answer: /200 OK/ },
      { name: "POST is not: 503", method: "POST", answer: /503 [\s\S]*upstream reset/ },
    ])("$name", async ({ method, answer }) => {
      let served = 0;
      const upstream = await startLenientUpstream(cleanup, (request, socket) => {
        served += 1;
        if (served !== 2) return OK_REPLY(request, socket);
        socket.destroy();
        return undefined;
      });
      const destination = meshDestination([upstream.port], { mutualTls: false, overrides: { protocol: "http" } });
      const { port, http } = await startOutboundSide(cleanup, { destination });
      await sendRaw(cleanup, port, LAST);
      const second = await sendRaw(
        cleanup,
        port,
        `${method} /b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      );
      expect(second).toMatch(answer);
      expect(http.counted.map(({ flags }) => flags)).toEqual(method === "GET" ? ["-", "-"] : ["-", "UC"]);
    });

    it("another endpoint is used when one cannot be reached, and no request fails", async () => {
      const upstream = await startLenientUpstream(cleanup);
      const destination = meshDestination([1, upstream.port], { mutualTls: false, overrides: { protocol: "http" } });
      const { port, http } = await startOutboundSide(cleanup, { destination });
      for (let index = 0; index < 10; index += 1) expect(await sendRaw(cleanup, port, LAST)).toMatch(/200 OK/);
      expect(http.counted.every(({ status }) => status === 200)).toBe(true);
    });

    it("no endpoint: 503 with the reason and the flag", async () => {
      const { port, http } = await startOutboundSide(cleanup, {
        destination: meshDestination([], { overrides: { protocol: "http" } }),
      });
      expect(await sendRaw(cleanup, port, LAST)).toMatch(/503 [\s\S]*no healthy endpoint: world\.ns2/);
      expect(http.counted).toMatchObject([{ status: 503, flags: "UH" }]);
    });

    it("a server with another identity: 503, and nothing was sent to it", async () => {
      const upstream = await startLenientUpstream(cleanup);
      const inbound = await startInboundSide(cleanup, {
        mode: "STRICT",
        applicationPort: upstream.port,
        protocol: "http",
      });
      const destination = meshDestination([inbound.port], { identities: [HELLO], overrides: { protocol: "http" } });
      const { port, http } = await startOutboundSide(cleanup, { destination });
      expect(await sendRaw(cleanup, port, LAST)).toMatch(/503 [\s\S]*mTLS refused: /);
      expect(http.counted).toMatchObject([{ status: 503, flags: "UF" }]);
      expect(upstream.executed).toEqual([]);
    });

    it("a client that disconnects in mid-body aborts the upstream's connection, which is not reused", async () => {
      const { port, upstream, outbound } = await start();
      const client = await dialRaw(cleanup, port);
      const connected = upstream.next("connection");
      client.write("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
      await connected;
      const closed = upstream.next("closed");
      client.resetAndDestroy();
      await closed;
      await expect.poll(() => outbound.http.counted).toMatchObject([{ flags: "DC", status: 0 }]);
      expect(upstream.executed).toEqual([]);
    });
  });
});
