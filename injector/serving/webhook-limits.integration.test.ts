import { once } from "node:events";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createPod } from "../admission/pod-fixture.ts";
import { closed, review, startTestWebhook, TEST_LIMITS, type TestWebhook } from "./webhook-fixture.ts";

/** The webhook requires no client certificate, so any client that can reach it may try these. */
let webhook: TestWebhook;

/** Of the webhook's handler. */
const LOG_LINES_PER_SECOND = 50;

beforeEach(async () => {
  webhook = await startTestWebhook();
});

afterEach(() => webhook.stop());

it("closes the connection that has been idle longest when there are too many", async () => {
  const request = "GET /healthz/ready HTTP/1.1\r\nHost: a\r\n\r\n";
  const known = await webhook.open();
  const received: string[] = [];
  const silent = [await webhook.open((text) => received.push(text)), await webhook.open((text) => received.push(text))];
  const ends = silent.map(closed);
  known.write(request);
  await once(known, "data");
  for (let count = 3; count < TEST_LIMITS.maxConnections + 2; count += 1) {
    const socket = await webhook.open();
    socket.write(request);
    await once(socket, "data");
  }
  await Promise.all(ends);
  // Clients that are too slow receive a response; these did not.
  expect(received).toEqual([]);
  known.write(request);
  expect(String(await once(known, "data"))).toContain("200 OK");
});

it("cannot be filled with bodies that never end: the oldest request is cut off without a response", async () => {
  const received: string[] = [];
  const hold = async (index: number): Promise<TLSSocket> => {
    const socket = await webhook.open((text) => received.push(`${index} ${text}`));
    const begun = once(socket, "data");
    socket.write("POST /inject HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n");
    socket.write("Content-Length: 65536\r\nExpect: 100-continue\r\n\r\n");
    await begun;
    socket.write(" ".repeat(60_000));
    return socket;
  };
  const first = await hold(0);
  const end = closed(first);
  const later = [await hold(1), await hold(2)];
  await end;
  for (const socket of later) socket.destroy();
  expect(received.filter((text) => text.includes("100 Continue"))).toHaveLength(3);
  expect(received.filter((text) => text.includes("408"))).toEqual([]);
});

it("refuses an object of too many levels without parsing it", async () => {
  const body = review(createPod()).replace('"object":', `"object":${"[".repeat(1000)}${"]".repeat(1000)},"other":`);
  expect(await webhook.post(body)).toEqual({ status: 400, text: expect.stringContaining("more than 500 levels") });
});

it("limits its log lines during a flood of requests", async () => {
  const startMs = performance.now();
  // Some are cut off, because the test's webhook has few connections.
  await Promise.allSettled(Array.from({ length: 200 }, () => webhook.post("{")));
  const seconds = Math.ceil((performance.now() - startMs) / 1000);
  const refusals = webhook.log.find("not JSON");
  expect(refusals.length).toBeGreaterThan(0);
  expect(refusals.length).toBeLessThanOrEqual((seconds + 1) * LOG_LINES_PER_SECOND);
});

it.each([
  { name: "of a content type", body: "{}", headers: { "content-type": `text/${"x".repeat(5000)}` } },
  { name: "of a uid", body: review(createPod(), { uid: "u".repeat(50_000) }), headers: {} },
  { name: "of a kind", body: review({}, { kind: { kind: "k".repeat(50_000) } }), headers: {} },
  { name: "of a namespace", body: review(createPod(), { namespace: "n".repeat(50_000) }), headers: {} },
])("logs only the beginning $name", async ({ body, headers }) => {
  const before = webhook.log.records.length;
  await webhook.post(body, headers);
  const written = webhook.log.records.slice(before);
  expect(written.length).toBeGreaterThan(0);
  expect(JSON.stringify(written).length).toBeLessThan(1500);
});
