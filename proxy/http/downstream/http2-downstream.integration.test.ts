import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { dialHttp2, requestOf } from "../raw-http2-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(reply: Reply = OK_REPLY) {
  const upstream = await startLenientUpstream(cleanup, reply);
  const side = await startInboundSide(cleanup, {
    mode: "PERMISSIVE",
    applicationPort: upstream.port,
    protocol: "http",
  });
  return { upstream, side, client: await dialHttp2(cleanup, side.port) };
}

describe("a request of HTTP/2 for an HTTP/1.1 application", () => {
  it("gets its response, and its authority arrives as Host", async () => {
    const { client, upstream } = await start();
    const response = await client.ask(1, requestOf("/a?b=1"));
    expect(response.statuses).toEqual(["200"]);
    expect(response.content).toBe("served GET /a?b=1 HTTP/1.1");
    expect(upstream.executed[0]?.head).toMatch(/^GET \/a\?b=1 HTTP\/1\.1\r\nhost: shop\.example\r\n/);
  });

  it("has several requests in progress at once on one connection", async () => {
    const { client } = await start();
    client.send(
      client.headers(1, requestOf("/1")),
      client.headers(3, requestOf("/2")),
      client.headers(5, requestOf("/3")),
    );
    const responses = await Promise.all([client.ended(1), client.ended(3), client.ended(5)]);
    expect(responses.map(({ content }) => content)).toEqual(
      ["/1", "/2", "/3"].map((path) => `served GET ${path} HTTP/1.1`),
    );
  });

  it("arrives with its content", async () => {
    const { client, upstream } = await start();
    const response = await client.ask(1, requestOf("/a", [], "POST"), "hello");
    expect(response.statuses).toEqual(["200"]);
    expect(upstream.executed[0]?.body).toBe("5\r\nhello\r\n0\r\n\r\n");
  });
});
