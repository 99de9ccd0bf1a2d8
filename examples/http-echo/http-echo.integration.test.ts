import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { request } from "undici";
import { afterEach, describe, expect, it } from "vitest";
import { createHttpEcho, type EchoSettings } from "./http-echo.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function start(server: Server): Promise<string> {
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const address = server.address();
  return `127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
}

async function ask(
  settings: EchoSettings,
  options: { path?: string; method?: "POST"; headers?: Record<string, string> } = {},
) {
  const { path = "/", ...rest } = options;
  const { statusCode, body } = await request(
    `http://${await start(createHttpEcho(settings, () => undefined))}${path}`,
    rest,
  );
  return { statusCode, text: await body.text() };
}

/** The next server in the chain: it responds 503 and records the requests. */
async function startNext() {
  const asked: { method: string | undefined; url: string | undefined; headers: IncomingHttpHeaders }[] = [];
  const server = createServer(({ method, url, headers }, response) => {
    asked.push({ method, url, headers });
    response.writeHead(503).end("world");
  });
  return { host: await start(server), asked };
}

describe("http-echo", () => {
  it.each([
    { name: "says TEXT and no more", settings: { TEXT: "!!!" }, text: "!!!" },
    { name: "wants a TEXT", settings: {}, text: "set env TEXT to display something" },
    {
      name: "wants LATENCY to be a number",
      settings: { TEXT: "x", LATENCY: "soon" },
      text: "Env LATENCY needs to be a number",
    },
  ])("$name, with status 200", async ({ settings, text }) => {
    expect(await ask(settings, { path: "/any/where", method: "POST" })).toEqual({ statusCode: 200, text });
  });

  it("adds what the next says, whatever its status, and asks it with GET /", async () => {
    const next = await startNext();
    expect(await ask({ TEXT: "hello", NEXT: next.host }, { path: "/deep", method: "POST" })).toEqual({
      statusCode: 200,
      text: "hello world\n",
    });
    expect(next.asked).toMatchObject([{ method: "GET", url: "/" }]);
  });

  it("hands on the headers of a trace and no others", async () => {
    const next = await startNext();
    const headers = { "X-Request-Id": "7", "x-b3-traceid": "abc", authorization: "secret", traceparent: "00-1" };
    await ask({ TEXT: "hello", NEXT: next.host }, { headers });
    expect(next.asked[0]?.headers).toMatchObject({ "x-request-id": "7", "x-b3-traceid": "abc" });
    expect(next.asked[0]?.headers).not.toHaveProperty("authorization");
    expect(next.asked[0]?.headers).not.toHaveProperty("traceparent");
  });

  it("says with status 200 that the next cannot be reached", async () => {
    expect(await ask({ TEXT: "hello", NEXT: "127.0.0.1:1" })).toEqual({
      statusCode: 200,
      text: "Couldn't connect to http://127.0.0.1:1/",
    });
  });
});
