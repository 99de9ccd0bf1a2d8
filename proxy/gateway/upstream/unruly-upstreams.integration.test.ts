import type { Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { startTestGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(reply: Reply) {
  const upstream = await startLenientUpstream(cleanup, reply);
  return { upstream, ...(await startTestGateway(cleanup, upstream.port)) };
}

function request(path: string, options: { readonly method?: string; readonly headers?: string } = {}): string {
  return `${options.method ?? "GET"} ${path} HTTP/1.1\r\nHost: shop.example\r\n${options.headers ?? ""}\r\n`;
}

const CLOSE = { headers: "Connection: close\r\n" };

it.each([
  { name: "without brackets", link: "style.css" },
  { name: "with a valid one", link: "</a>; rel=preload, b" },
  { name: "that is empty between commas", link: "</a>,, </b>" },
  { name: "with an unknown parameter", link: "</a>; rel=\"x\"; title*=UTF-8''%e2" },
  { name: "in Latin-1", link: "</\xe9>; rel=preload" },
])("early hints with a link $name reach the client as they are, and end no process", async ({ link }) => {
  const { port } = await start((...asked) => `HTTP/1.1 103 Early Hints\r\nLink: ${link}\r\n\r\n${OK_REPLY(...asked)}`);
  const received = await sendRaw(cleanup, port, request("/a") + request("/b", CLOSE));
  expect(received).toContain(`HTTP/1.1 103 Early Hints\r\nlink: ${link}\r\n\r\nHTTP/1.1 200 OK`);
  expect(received).toMatch(/served GET \/b HTTP\/1\.1$/);
});

it("endless early hints do not fill memory for a client that does not read them", async () => {
  const hint = `HTTP/1.1 103 Early Hints\r\nLink: <${"/a".repeat(16_000)}>\r\n\r\n`;
  let server: Socket | undefined;
  const { port, upstream } = await start((_request, socket) => {
    server = socket;
    return undefined;
  });
  const client = await dialRaw(cleanup, port);
  const asked = upstream.next("request");
  client.write(request("/a", CLOSE));
  await asked;
  const hints = 2000;
  await new Promise<void>((resolve) => server?.write(hint.repeat(hints), () => resolve()));
  server?.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone");
  const received = await readUntilClosed(client);
  expect(received).toMatch(/\r\n\r\ndone$/);
  expect(received.length).toBeLessThan((hints * hint.length) / 2);
});

it.each([
  { name: "to HEAD", method: "HEAD", reply: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", status: "200 OK" },
  { name: "204", method: "GET", reply: "HTTP/1.1 204 No Content\r\n\r\nbody", status: "204 No Content" },
  {
    name: "with a body",
    method: "GET",
    reply: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyMORE",
    status: "200 OK",
  },
])("a response $name arrives complete although extra bytes come with it, which are discarded", async (row) => {
  const { port, upstream } = await start((executed, socket) =>
    executed.line.includes("/more") ? row.reply : OK_REPLY(executed, socket),
  );
  const received = await sendRaw(cleanup, port, request("/more", { method: row.method }) + request("/next", CLOSE));
  expect(received).toMatch(new RegExp(`^HTTP/1\\.1 ${row.status}\r\n`));
  expect(received).toMatch(/served GET \/next HTTP\/1\.1$/);
  expect(received).not.toContain("MORE");
  expect(upstream.executed).toHaveLength(2);
});

it("a client that requested a WebSocket too early, and is refused, is closed when it disconnects", async () => {
  const { port, gateway } = await start((_request, socket) => {
    socket.destroy();
    return undefined;
  });
  const client = await dialRaw(cleanup, port);
  client.write(`${request("/", { headers: "Connection: upgrade\r\nUpgrade: websocket\r\n" })}early`);
  expect(await readUntil(client, "\r\n\r\n")).toMatch(/^HTTP\/1\.1 502 /);
  client.destroy();
  await expect.poll(() => gateway.listeners()[0]?.connections).toBe(0);
});
