import { afterEach, expect, it } from "vitest";
import { Cleanup } from "./cleanup-fixture.ts";
import { createRecordedLog } from "./http-fixture.ts";
import { startLocalHttpServer } from "./local-http-server.ts";
import { dialRaw, readUntil, sendRaw } from "./raw-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it("a response that node:http rejects cuts its client and is logged, and others are served", async () => {
  const log = createRecordedLog();
  const server = await startLocalHttpServer({
    ...{ port: 0, host: "127.0.0.1", log },
    respond: ({ path }) => ({ status: 200, body: "served", ...(path === "/bad" ? { contentType: "a\r\nb" } : {}) }),
  });
  cleanup.add(() => server.stop());
  const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
  expect(await sendRaw(cleanup, server.port, request("/bad"))).toBe("");
  expect(await sendRaw(cleanup, server.port, request("/good"))).toContain("served");
  expect(log.lines).toMatchObject([{ level: "error", fields: { code: "response_failed" } }]);
});

it("a kubelet whose connection waits is served, while another address opens ever new ones", async () => {
  const server = await startLocalHttpServer({
    ...{ port: 0, host: "127.0.0.1", log: createRecordedLog(), maxConnections: 8 },
    respond: () => ({ status: 200, body: "ready" }),
  });
  cleanup.add(() => server.stop());
  const kubelet = await dialRaw(cleanup, server.port);
  const flood = await Promise.all(Array.from({ length: 20 }, () => dialRaw(cleanup, server.port, "127.0.0.2")));
  for (const socket of flood) socket.resume();
  await expect.poll(() => flood.filter(({ readableEnded, closed }) => readableEnded || closed).length).toBe(13);
  kubelet.write("GET /healthz/ready HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await readUntil(kubelet, "ready")).toContain("200 OK");
});
