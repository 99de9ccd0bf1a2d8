import type { RequestListener, ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { KINDS } from "./kinds.ts";
import type { WatchEvent } from "./kubernetes-api.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";
import { createKubernetesClient, type KubernetesClient, type KubernetesClientOptions } from "./kubernetes-client.ts";
import { startScriptedServer } from "./scripted-server-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const POD = { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "ns1", resourceVersion: "7" } };

async function start(listener: RequestListener, options: KubernetesClientOptions = {}): Promise<KubernetesClient> {
  const access = await startScriptedServer(cleanup, listener);
  const client = createKubernetesClient(
    { access, clock: systemClock, random: () => 0, log: new RecordingLogger() },
    { timeoutMs: 60_000, ...options },
  );
  cleanup.add(() => client.close());
  return client;
}

function sendJson(response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
}

function status(code: number, reason: string, message = "no"): Record<string, unknown> {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message };
}

async function failureOf(promise: Promise<unknown>): Promise<KubernetesApiError> {
  const caught = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(caught instanceof KubernetesApiError)) throw new TypeError("no KubernetesApiError", { cause: caught });
  return caught;
}

async function collect(events: AsyncIterable<WatchEvent>): Promise<readonly WatchEvent[]> {
  const seen: WatchEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

describe("a call", () => {
  it("is a request of the API's form, with token and user agent", async () => {
    const seen: unknown[] = [];
    const client = await start(({ method, url, headers }, response) => {
      seen.push([method, url, headers.authorization, headers["user-agent"]]);
      sendJson(response, POD);
    });
    expect(await client.get(KINDS.pods, { namespace: "ns1", name: "web" })).toEqual(POD);
    expect(seen).toEqual([["GET", "/api/v1/namespaces/ns1/pods/web", "Bearer secret-token", "entente"]]);
  });

  it("returns undefined for an object that does not exist", async () => {
    const client = await start((_, response) => sendJson(response, status(404, "NotFound"), 404));
    expect(await client.get(KINDS.pods, { namespace: "ns1", name: "web" })).toBeUndefined();
    await client.delete(KINDS.pods, { namespace: "ns1", name: "web" });
  });

  it("reports the server's reason, with the call and without the token", async () => {
    const client = await start((_, response) => sendJson(response, status(403, "Forbidden", "pods is forbidden"), 403));
    const error = await failureOf(client.list(KINDS.pods, { limit: 5 }));
    expect([error.code, error.status, error.reason]).toEqual(["api_refused", 403, "Forbidden"]);
    expect(error.message).toMatch(
      /^api_refused: GET https:\/\/127\.0\.0\.1:\d+\/api\/v1\/pods: 403 Forbidden: pods is forbidden$/,
    );
  });

  it.each([
    { name: "garbage", body: "<html>oops" },
    { name: "half a JSON", body: '{"kind":"PodList","items":[{"meta' },
    { name: "JSON that is no list", body: '"pods"' },
    { name: "a list without a version", body: '{"items":[]}' },
    { name: "an item without a name", body: '{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{}}]}' },
  ])("rejects $name and names server, method and path", async ({ body }) => {
    const client = await start((_, response) => response.end(body));
    const error = await failureOf(client.list(KINDS.pods, {}));
    expect(error.code).toBe("api_invalid_response");
    expect(error.message).toMatch(/GET https:\/\/127\.0\.0\.1:\d+\/api\/v1\/pods: /);
  });

  it("waits as Retry-After says, and tries again", async () => {
    let calls = 0;
    const client = await start((_, response) => {
      calls += 1;
      if (calls === 1) sendJson(response, status(429, "TooManyRequests"), 429, { "retry-after": "1" });
      else sendJson(response, POD);
    });
    const startedMs = performance.now();
    await client.get(KINDS.pods, { namespace: "ns1", name: "web" });
    expect(performance.now() - startedMs).toBeGreaterThan(950);
    expect(calls).toBe(2);
  });

  it("ends at its time limit when the server does not respond, and frees the connection", async () => {
    const closed = Promise.withResolvers<void>();
    const client = await start(({ socket }) => socket.once("close", () => closed.resolve()));
    const error = await failureOf(client.list(KINDS.pods, { timeoutMs: 100 }));
    expect(error.code).toBe("api_timeout");
    await closed.promise;
  });

  it("ends when its signal aborts, with the signal's reason", async () => {
    const stop = new AbortController();
    const client = await start(() => stop.abort(new Error("shutting down")));
    await expect(client.list(KINDS.pods, { signal: stop.signal })).rejects.toThrow("shutting down");
  });

  it("reads an object of 1.5 MB, and gives up on an endless response", async () => {
    const client = await start(
      ({ url }, response) => {
        if (url?.endsWith("/big")) sendJson(response, { ...POD, data: "x".repeat(1_500_000) });
        else for (let part = 0; part < 40; part += 1) response.write("y".repeat(100_000));
      },
      { maxResponseBytes: 2_000_000 },
    );
    const big = await client.get(KINDS.pods, { namespace: "ns1", name: "big" });
    expect(String(big?.["data"])).toHaveLength(1_500_000);
    const error = await failureOf(client.get(KINDS.pods, { namespace: "ns1", name: "endless" }));
    expect(error.code).toBe("api_response_too_large");
  });
});

describe("a watch", () => {
  const added = JSON.stringify({ type: "ADDED", object: POD });

  it("delivers events and bookmarks, however the stream is cut, and ends with it", async () => {
    const client = await start(async (_, response) => {
      response.write(added.slice(0, 20));
      await new Promise((resolve) => setImmediate(resolve));
      response.write(`${added.slice(20)}\n{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}\n`);
      response.end();
    });
    expect(await collect(client.watch(KINDS.pods, { resourceVersion: "6" }))).toEqual([
      { type: "ADDED", object: POD },
      { type: "BOOKMARK", resourceVersion: "9" },
    ]);
  });

  it.each([
    { name: "as HTTP status", send: (to: ServerResponse) => sendJson(to, status(410, "Expired"), 410) },
    {
      name: "as ERROR event",
      send: (to: ServerResponse) => to.end(`${JSON.stringify({ type: "ERROR", object: status(410, "Expired") })}\n`),
    },
  ])("throws an expired version that comes $name", async ({ send }) => {
    const client = await start((_, response) => send(response));
    const error = await failureOf(collect(client.watch(KINDS.pods, { resourceVersion: "1" })));
    expect([error.status, error.reason]).toEqual([410, "Expired"]);
  });

  it("does not keep calls waiting, however many watches are open", async () => {
    const client = await start(({ url }, response) => {
      if (url?.includes("watch=true")) response.write(`${added}\n`);
      else sendJson(response, POD);
    });
    const watches = Array.from({ length: 40 }, () => client.watch(KINDS.pods, { resourceVersion: "1" }));
    const open = watches.map((watch) => watch[Symbol.asyncIterator]());
    await Promise.all(open.map((events) => events.next()));
    expect(await client.get(KINDS.pods, { namespace: "ns1", name: "web" })).toEqual(POD);
  });

  it("closes its connection when the reader leaves", async () => {
    const closed = Promise.withResolvers<void>();
    const client = await start(({ socket }, response) => {
      socket.once("close", () => closed.resolve());
      response.write(`${added}\n`);
    });
    for await (const event of client.watch(KINDS.pods, { resourceVersion: "1" })) {
      expect(event.type).toBe("ADDED");
      break;
    }
    await closed.promise;
  });
});
