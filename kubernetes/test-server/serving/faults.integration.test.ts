import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startFastClock } from "../../../net/fast-clock-fixture.ts";
import { KINDS } from "../../kinds.ts";
import type { KubernetesApiErrorCode } from "../../kubernetes-api-error.ts";
import { startTestApiServer } from "../test-api-server-fixture.ts";
import type { Fault } from "./faults.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const { pods } = KINDS;

describe("the client meets a server that", () => {
  it.each<{ readonly name: string; readonly fault: Fault; readonly code: KubernetesApiErrorCode; calls: number }>([
    { name: "hangs", fault: { kind: "hang" }, code: "api_timeout", calls: 1 },
    { name: "sends garbage", fault: { kind: "garbage" }, code: "api_invalid_response", calls: 1 },
    { name: "sends half a JSON", fault: { kind: "half-json" }, code: "api_invalid_response", calls: 1 },
    { name: "is cut in the middle of a response", fault: { kind: "cut" }, code: "api_unreachable", calls: 2 },
    {
      name: "fails (500)",
      fault: { kind: "status", status: 500, reason: "InternalError" },
      code: "api_refused",
      calls: 1,
    },
    {
      name: "limits its load for longer than the call may take",
      fault: { kind: "status", status: 429, reason: "TooManyRequests", retryAfterSeconds: 60 },
      code: "api_refused",
      calls: 1,
    },
  ])("$name: the error says so, and the next call works", async ({ fault, code, calls }) => {
    const server = await startTestApiServer(cleanup);
    const client = server.client(server.adminToken, { timeoutMs: 5000, clock: startFastClock(cleanup) });
    const end = server.faults.add(fault, { resource: "pods" });
    const failure = client.list(pods, {});
    await expect(failure).rejects.toMatchObject({ code });
    await expect(failure).rejects.toThrow(`GET ${server.url}/api/v1/pods`);
    expect(server.requests).toHaveLength(calls);
    end();
    expect((await client.list(pods, {})).items).toEqual([]);
  });

  it.each<{ readonly name: string; readonly fault: Fault }>([
    {
      name: "limits its load for a second",
      fault: { kind: "status", status: 429, reason: "TooManyRequests", retryAfterSeconds: 1 },
    },
    { name: "is about to stop (503)", fault: { kind: "status", status: 503, reason: "ServiceUnavailable" } },
    { name: "closed the connection", fault: { kind: "cut" } },
    { name: "is slow", fault: { kind: "delay", delayMs: 300 } },
  ])("$name: the call is answered in the end", async ({ fault }) => {
    const server = await startTestApiServer(cleanup);
    server.faults.add(fault, { resource: "pods" }, 1);
    const client = server.client(server.adminToken, { clock: startFastClock(cleanup) });
    expect((await client.list(pods, {})).items).toEqual([]);
  });

  it("limits its load: even a create is sent again, because nothing was done for it", async () => {
    const server = await startTestApiServer(cleanup);
    const busy = { kind: "status", status: 429, reason: "TooManyRequests", retryAfterSeconds: 1 } as const;
    server.faults.add(busy, { verb: "create" }, 1);
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "default" } };
    const client = server.client(server.adminToken, { clock: startFastClock(cleanup) });
    expect((await client.create(pods, pod)).metadata.name).toBe("a");
  });

  it.each<{ readonly name: string; readonly fault: Fault }>([
    { name: "is about to stop (503)", fault: { kind: "status", status: 503, reason: "ServiceUnavailable" } },
    { name: "closed the connection", fault: { kind: "cut" } },
  ])("$name: a create is not sent again, because it may have been done", async ({ fault }) => {
    const server = await startTestApiServer(cleanup);
    server.faults.add(fault, { verb: "create" }, 1);
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "a", namespace: "default" } };
    await expect(server.client().create(pods, pod)).rejects.toThrow(/POST/);
    expect(server.requests).toHaveLength(1);
  });

  it("is away: the call fails long before its time limit and says what to check; back, the same client works", async () => {
    const server = await startTestApiServer(cleanup);
    // An hour by the system's clock.
    const client = server.client(server.adminToken, { timeoutMs: 3_600_000 });
    await client.list(pods, {});
    await server.away();
    await expect(client.list(pods, {})).rejects.toThrow(/ECONNREFUSED.*is the API server running/);
    await server.back();
    expect((await client.list(pods, {})).items).toEqual([]);
  });

  it("has a certificate of another authority: nothing is sent to it", async () => {
    const [server, other] = [await startTestApiServer(cleanup), await startTestApiServer(cleanup)];
    Object.defineProperty(other, "caPem", { value: server.caPem });
    await expect(other.client().list(pods, {})).rejects.toThrow(/certificate authority is not the server's/);
    expect(other.requests).toEqual([]);
  });
});
