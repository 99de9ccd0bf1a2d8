import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { HOP_VERSIONS, startTwoSidecars, type TwoSidecarsOptions } from "./two-sidecars-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

describe.each(HOP_VERSIONS)("with HTTP/%s between the sidecars", (version) => {
  const start = (options: Omit<TwoSidecarsOptions, "hopVersion"> = {}) =>
    startTwoSidecars(cleanup, { hopVersion: version, ...options });

  describe("requests on one connection", () => {
    it("are handled in order when they arrive at once", async () => {
      const { port } = await start();
      const paths = Array.from({ length: 50 }, (_, index) => `/${index}`);
      const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
      const answer = await sendRaw(cleanup, port, requests + LAST);
      expect([...answer.matchAll(/served GET (\S+) /g)].map(([, path]) => path)).toEqual([...paths, "/last"]);
    });

    it("are also handled when the client has half-closed after them", async () => {
      const { port } = await start();
      const client = await dialRaw(cleanup, port);
      client.end(GET + GET);
      expect((await readUntilClosed(client)).match(/served GET/g)).toHaveLength(2);
    });

    it("leave no connection and no deadline behind", async () => {
      const clock = new FakeClock(Date.now());
      const { port, outbound, inbound } = await start({ clock });
      await Promise.all(Array.from({ length: 32 }, () => sendRaw(cleanup, port, GET.repeat(20) + LAST)));
      outbound.http.closing.abort();
      inbound.http.closing.abort();
      const left = async () => {
        await clock.advance(500);
        return [inbound, outbound].flatMap(({ registry, http }) => [registry.size, http.context.deadlines.size]);
      };
      await expect.poll(left).toEqual([0, 0, 0, 0]);
      expect(inbound.http.counted).toHaveLength(32 * 21);
    });
  });

  describe("hop-by-hop fields", () => {
    it("stay on their hop, and everything else is forwarded unchanged", async () => {
      const { port, upstream } = await start({
        reply: () =>
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=9\r\nConnection: keep-alive, X-Own\r\nX-Own: 1\r\nX-Kept: 2\r\n\r\n",
      });
      const fields =
        "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-B3-TraceId: abc\r\ntraceparent: 00-a\r\n";
      const answer = await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\nHost: a\r\n${fields}X-Request-Id: mine\r\n\r\n`);
      expect(answer).toMatch(/X-Kept: 2/i);
      expect(answer).not.toMatch(/X-Own|Keep-Alive/i);
      const head = upstream.executed[0]?.head ?? "";
      expect(head).toMatch(/X-B3-TraceId: abc\r\ntraceparent: 00-a\r\nX-Request-Id: mine/i);
      // HTTP/2 has `te: trailers`, which says what its sender can take: it goes on, as an option of the next hop.
      expect(head).not.toMatch(version === "2" ? /X-Hop|Keep-Alive/i : /X-Hop|Keep-Alive|TE:|Connection/i);
    });
  });

  describe("interim and special responses", () => {
    it("100 and 103 are forwarded before the response", async () => {
      const { port } = await start({
        reply: (request, socket) =>
          `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK_REPLY(request, socket)}`,
      });
      const answer = await sendRaw(cleanup, port, LAST);
      expect(answer.match(/HTTP\/1\.1 (?:100|103|200)/g)).toEqual(["HTTP/1.1 100", "HTTP/1.1 103", "HTTP/1.1 200"]);
    });

    it("an expectation other than 100-continue is left to the server", async () => {
      const { port, upstream } = await start({
        reply: () => "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
      });
      const request = "POST /a HTTP/1.1\r\nHost: a\r\nExpect: foo\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
      expect(await sendRaw(cleanup, port, request)).toMatch(/^HTTP\/1\.1 417 Expectation Failed\r\n/);
      expect(upstream.executed[0]?.head).toMatch(/\r\nExpect: foo\r\n/i);
      expect(upstream.executed[0]?.body).toBe("abc");
    });

    it("a 204 with a content length ends with its head, for client and proxy alike (RFC 9110 §8.6)", async () => {
      const { port } = await start({
        reply: (request, socket) =>
          request.line.includes("/a") ? "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n" : OK_REPLY(request, socket),
      });
      expect(await sendRaw(cleanup, port, GET + LAST)).toMatch(
        /^HTTP\/1\.1 204 No(?: Content)?\r\n\r\nHTTP\/1\.1 200 OK\r\n/,
      );
    });

    it("a response without a length ends with the client's connection, or with its chunks", async () => {
      const { port } = await start({
        reply: (_request, socket) => {
          socket.end("HTTP/1.1 200 OK\r\n\r\nall of it");
          return undefined;
        },
      });
      const client = await dialRaw(cleanup, port);
      client.write(GET);
      const answer = await readUntil(client, version === "2" ? "0\r\n\r\n" : "all of it");
      expect(answer).toMatch(
        version === "2"
          ? /transfer-encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/
          : /connection: close\r\n\r\nall of it$/,
      );
      if (version === "1.1") await readUntilClosed(client);
    });

    it("an upgrade becomes a tunnel after the 101, including bytes that came right after it", async () => {
      const { port } = await start({
        reply: (_request, socket) => {
          socket.on("data", (chunk: Buffer) => socket.write(`echo ${chunk}`));
          return "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
        },
      });
      const client = await dialRaw(cleanup, port);
      client.write("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      expect(await readUntil(client, "hello")).toMatch(/^HTTP\/1\.1 101 [\s\S]*upgrade: websocket/i);
      client.write("frame");
      await readUntil(client, "echo frame");
    });
  });
});
