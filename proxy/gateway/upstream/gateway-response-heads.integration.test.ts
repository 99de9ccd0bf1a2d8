import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply, startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../../net/raw-client-fixture.ts";
import { startTestGateway } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(reply: Reply) {
  return await startTestGateway(cleanup, (await startLenientUpstream(cleanup, reply)).port);
}

function request(path: string, options: { readonly method?: string; readonly headers?: string } = {}): string {
  return `${options.method ?? "GET"} ${path} HTTP/1.1\r\nHost: shop.example\r\n${options.headers ?? ""}\r\n`;
}

const CLOSE = "Connection: close\r\n";

it.each([
  { name: "204", head: "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n", method: "GET", length: undefined },
  { name: "304", head: "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", method: "GET", length: "9" },
  { name: "HEAD", head: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", method: "HEAD", length: "9" },
])("a response has a length only if its status allows one (RFC 9110 §8.6): $name", async ({ head, method, length }) => {
  const { port } = await start((executed, socket) =>
    executed.line.includes("/no") ? head : OK_REPLY(executed, socket),
  );
  const answer = await sendRaw(cleanup, port, request("/no", { method }) + request("/last", { headers: CLOSE }));
  const [first = "", second = ""] = answer.split("\r\n\r\n");
  expect(/^content-length: (.*)$/im.exec(first)?.[1]?.trim()).toBe(length);
  expect(first).not.toMatch(/transfer-encoding/i);
  expect(second).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer).toMatch(/served GET \/last HTTP\/1\.1$/);
});
