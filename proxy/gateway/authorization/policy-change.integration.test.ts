import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import type { AuthorizationPolicyRules } from "../../../mesh/policy/authorization/authorization.ts";
import { policyOf } from "../../../mesh/policy/authorization/authorization-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntil, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import type { AccessLogEntry } from "../../telemetry/request-meter.ts";
import { formatRequest, startLenientGateway, type TestGatewayOptions } from "../gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const DENY_ADMIN = policyOf("DENY", [{ to: [{ paths: ["/admin"] }] }]);
const DENY_ALL = policyOf("DENY", [{}]);
const ALLOW_ADMIN = policyOf("ALLOW", [{ to: [{ paths: ["/admin"] }] }]);
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const OPENING = formatRequest("/admin", { headers: "Connection: Upgrade\r\nUpgrade: websocket\r\n" });

/** A gateway whose upstream's responses the test writes. */
async function startHeld(options: TestGatewayOptions = {}) {
  const entries: AccessLogEntry[] = [];
  const servers: Socket[] = [];
  const accessLog = { write: (entry: AccessLogEntry) => void entries.push(entry) };
  const started = await startLenientGateway(cleanup, {
    accessLog,
    ...options,
    reply: (_request, socket) => {
      servers.push(socket);
      return undefined;
    },
  });
  const client = await dialRaw(cleanup, started.port);
  /** Sends a request, and waits until it has arrived. */
  const open = async (text: string): Promise<Socket> => {
    const arrived = started.upstream.next("request");
    client.write(text);
    await arrived;
    const server = servers.at(-1);
    if (server === undefined) throw new Error("no request arrived");
    return server;
  };
  return { ...started, client, entries, open };
}

function changed(policies: readonly AuthorizationPolicyRules[]) {
  return { policies };
}

const DETAILS = "rbac_access_denied_matched_policy[ns[foo]-policy[deny]-rule[0]]";

describe("a request in progress that new policies deny", () => {
  it("gets 403 before its response, and its upstream is disconnected", async () => {
    const { open, client, setAuthorization, upstream, entries } = await startHeld();
    await open(formatRequest("/admin"));
    const answer = readUntil(client, "RBAC: access denied");
    setAuthorization(changed([DENY_ADMIN]));
    expect(await answer).toMatch(/^HTTP\/1\.1 403 /);
    await expect.poll(() => upstream.connections).toBe(0);
    await expect.poll(() => entries).toMatchObject([{ status: 403, flags: "-", details: DETAILS }]);
  });

  it("leaves its connection to the next request", async () => {
    const { open, client, setAuthorization } = await startHeld();
    await open(formatRequest("/admin"));
    const denied = readUntil(client, "RBAC: access denied");
    setAuthorization(changed([DENY_ADMIN]));
    await denied;
    const server = await open(formatRequest("/public"));
    const served = readUntil(client, "served");
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserved");
    expect(await served).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("is cut if its response has begun: it must not look complete", async () => {
    const { open, client, setAuthorization, upstream, entries } = await startHeld();
    const server = await open(formatRequest("/admin"));
    const begun = readUntil(client, "hel");
    server.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n");
    await begun;
    const rest = readUntilClosed(client);
    setAuthorization(changed([DENY_ADMIN]));
    expect(await rest).not.toContain("0\r\n\r\n");
    await expect.poll(() => upstream.connections).toBe(0);
    await expect.poll(() => entries).toMatchObject([{ status: 200, flags: "DO", details: DETAILS }]);
  });

  it("gets 403 while its route delays it, and is never sent", async () => {
    const fault = { delay: { fixedDelayMs: 60_000, percentage: 100 } };
    const { client, gateway, setAuthorization, upstream } = await startHeld({ route: { fault } });
    client.write(formatRequest("/admin"));
    await expect.poll(() => gateway.connections).toBe(1);
    const answer = readUntil(client, "RBAC: access denied");
    await expect
      .poll(() => {
        setAuthorization(changed([DENY_ADMIN]));
        return client.bytesRead;
      })
      .toBeGreaterThan(0);
    expect(await answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(upstream.executed).toEqual([]);
  });

  it("is not retried any more", async () => {
    const clock = new FakeClock();
    const retries = { attempts: 2, retryOn: { conditions: ["5xx" as const], statuses: [] } };
    const { open, client, setAuthorization, upstream } = await startHeld({
      route: { retries },
      clock,
      random: () => 0.8,
    });
    const server = await open(formatRequest("/admin"));
    server.write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    await expect.poll(() => clock.pendingTimers).toBe(1);
    const answer = readUntil(client, "RBAC: access denied");
    setAuthorization(changed([DENY_ADMIN]));
    await answer;
    await clock.advance(1000);
    await expect.poll(() => clock.pendingTimers).toBe(0);
    expect(upstream.executed).toHaveLength(1);
  });

  it("gets 403 while its upstream is dialled, and nothing is sent", async () => {
    const { client, dialer, setAuthorization, upstream } = await startHeld();
    let release = (): void => undefined;
    dialer.hold = new Promise((resolve) => {
      release = () => resolve(undefined);
    });
    client.write(formatRequest("/admin"));
    await expect.poll(() => dialer.dials.length).toBe(1);
    const answer = readUntil(client, "RBAC: access denied");
    setAuthorization(changed([DENY_ADMIN]));
    expect(await answer).toMatch(/^HTTP\/1\.1 403 /);
    const connected = upstream.next("connection");
    release();
    await connected;
    client.destroy();
    expect(upstream.executed).toEqual([]);
  });

  it("goes on if the new policies still allow it", async () => {
    const { open, client, setAuthorization } = await startHeld();
    const server = await open(formatRequest("/admin"));
    setAuthorization(changed([ALLOW_ADMIN]));
    const served = readUntil(client, "served");
    server.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nserved");
    expect(await served).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("an upgrade that new policies deny", () => {
  it("is cut as a tunnel, on both sides", async () => {
    const { open, client, setAuthorization, upstream, entries } = await startHeld();
    const server = await open(OPENING);
    const switched = readUntil(client, "hello");
    server.write(`${SWITCH}hello`);
    await switched;
    const closed = readUntilClosed(client);
    setAuthorization(changed([DENY_ADMIN]));
    await closed;
    await expect.poll(() => upstream.connections).toBe(0);
    await expect.poll(() => entries).toMatchObject([{ status: 101, flags: "DO", details: DETAILS }]);
  });

  it("gets 403 before the switch, and no 101 afterwards", async () => {
    const { open, client, setAuthorization } = await startHeld();
    const server = await open(OPENING);
    const answer = readUntilClosed(client);
    setAuthorization(changed([DENY_ALL]));
    server.write(`${SWITCH}hello`);
    expect(await answer).toMatch(/^HTTP\/1\.1 403 .*RBAC: access denied$/s);
  });

  it("gets 403 while its route delays it, and is never sent, although its client stays", async () => {
    const clock = new FakeClock();
    const fault = { delay: { fixedDelayMs: 5000, percentage: 100 } };
    const { client, setAuthorization, dialer } = await startHeld({ route: { fault }, clock });
    client.write(OPENING);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    const answer = readUntil(client, "RBAC: access denied");
    setAuthorization(changed([DENY_ADMIN]));
    await answer;
    await clock.advance(5000);
    expect(dialer.dials).toEqual([]);
  });

  it("gets one 403 while its upstream is dialled", async () => {
    const { client, dialer, setAuthorization, answers } = await startHeld();
    let release = (): void => undefined;
    dialer.hold = new Promise((resolve) => {
      release = () => resolve(undefined);
    });
    client.write(OPENING);
    await expect.poll(() => dialer.dials.length).toBe(1);
    const answer = readUntilClosed(client);
    setAuthorization(changed([DENY_ADMIN]));
    release();
    expect((await answer).match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 403"]);
    expect(answers).toEqual(["gateway 403 authorization_denied"]);
  });

  it("is judged with its own path: another policy leaves it alone", async () => {
    const { open, client, setAuthorization } = await startHeld();
    const server = await open(OPENING);
    const switched = readUntil(client, "hello");
    server.write(`${SWITCH}hello`);
    await switched;
    setAuthorization(changed([policyOf("DENY", [{ to: [{ paths: ["/other"] }] }])]));
    const more = readUntil(client, "more");
    server.write("more");
    expect(await more).toContain("more");
  });
});
