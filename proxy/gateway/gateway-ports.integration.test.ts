import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { createRecordedLog } from "../../net/http-fixture.ts";
import { OK_REPLY, startLenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, listen, readUntil, readUntilClosed, sendRaw } from "../../net/raw-client-fixture.ts";
import { createNoMetrics } from "../telemetry/proxy-metrics.ts";
import { createTestDialer, listenerOf, startTestGateway } from "./gateway-fixture.ts";
import { startGateway } from "./start-gateway.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const GET = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
const LAST = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

describe("the gateway's ports", () => {
  it("open and close by the configuration", async () => {
    const upstream = await startLenientUpstream(cleanup);
    const { gateway, setConfig } = await startTestGateway(cleanup, upstream.port, { listeners: [] });
    expect(gateway.listeners()).toEqual([]);
    const [first, second] = [await findFreePort(), await findFreePort()];
    await setConfig([listenerOf(first), listenerOf(second)]);
    expect(await sendRaw(cleanup, first, LAST)).toMatch(/ 200 OK/);
    expect(await sendRaw(cleanup, second, LAST)).toMatch(/ 200 OK/);
    await setConfig([listenerOf(second)]);
    await expect(dialRaw(cleanup, first)).rejects.toThrow("ECONNREFUSED");
    expect(await sendRaw(cleanup, second, LAST)).toMatch(/ 200 OK/);
    await setConfig([listenerOf(first)]);
    expect(await sendRaw(cleanup, first, LAST)).toMatch(/ 200 OK/);
  });

  it("that are removed let requests in progress finish, and close idle connections", async () => {
    let answerNow: () => void = () => undefined;
    const upstream = await startLenientUpstream(cleanup, (sent, socket) => {
      answerNow = () => socket.write(OK_REPLY(sent, socket) ?? "");
      return undefined;
    });
    const { port, setConfig } = await startTestGateway(cleanup, upstream.port);
    const idle = await dialRaw(cleanup, port);
    const busy = await dialRaw(cleanup, port);
    const arrived = upstream.next("request");
    busy.write(GET);
    await arrived;
    await setConfig([]);
    expect(await readUntilClosed(idle)).toBe("");
    answerNow();
    expect(await readUntilClosed(busy)).toMatch(/ 200 OK.*connection: close.*served GET \//is);
  });

  it("that are removed do not wait longer than the deadline", async () => {
    const clock = new FakeClock();
    const upstream = await startLenientUpstream(cleanup, () => undefined);
    const { port, setConfig } = await startTestGateway(cleanup, upstream.port, { clock, drainMs: 1000 });
    const busy = await dialRaw(cleanup, port);
    const arrived = upstream.next("request");
    busy.write(GET);
    await arrived;
    await setConfig([]);
    expect(busy.destroyed).toBe(false);
    await clock.advance(1000);
    expect(await readUntilClosed(busy)).toBe("");
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it("that are in use are named, retried, and do not keep the others closed", async () => {
    const clock = new FakeClock();
    const holder = createServer();
    const taken = await listen(cleanup, holder);
    const upstream = await startLenientUpstream(cleanup);
    const { gateway, log } = await startTestGateway(cleanup, upstream.port, {
      clock,
      listeners: [listenerOf(taken), listenerOf(0)],
    });
    expect(gateway.fault()).toContain(`port ${taken} is in use`);
    expect(log.lines.some(({ fields }) => fields["code"] === "port_in_use")).toBe(true);
    expect(gateway.listeners()).toHaveLength(1);
    await new Promise((resolve) => holder.close(resolve));
    await clock.advance(5000);
    await expect.poll(() => gateway.listeners().length).toBe(2);
    expect(gateway.fault()).toBeUndefined();
    expect(await sendRaw(cleanup, taken, LAST)).toMatch(/ 200 OK/);
  });

  it("are closed before the configuration arrives, and readiness reports that", async () => {
    const waiting = await startGateway({
      watchConfig: () => ({ close: () => undefined }),
      dialer: createTestDialer(1),
      log: createRecordedLog(),
      clock: new FakeClock(),
      random: () => 0,
      metrics: createNoMetrics(),
    });
    cleanup.add(() => waiting.stop());
    expect(waiting.fault()).toContain("configuration has not arrived yet");
  });

  it("of a gateway that drains go on accepting, and each response is its connection's last", async () => {
    const upstream = await startLenientUpstream(cleanup);
    const { port, gateway } = await startTestGateway(cleanup, upstream.port);
    const [kept, idle] = [await dialRaw(cleanup, port), await dialRaw(cleanup, port)];
    for (const client of [kept, idle]) {
      client.write(GET);
      expect(await readUntil(client, "served GET /")).not.toMatch(/connection: close/i);
    }
    gateway.startDraining();
    kept.write(GET);
    expect(await readUntilClosed(kept)).toMatch(/ 200 OK.*connection: close.*served GET \//is);
    expect(await sendRaw(cleanup, port, GET)).toMatch(/ 200 OK.*connection: close.*served GET \//is);
    await expect.poll(() => gateway.connections).toBe(1);
    expect(idle.destroyed).toBe(false);
    await gateway.stop();
    expect(await readUntilClosed(idle)).toBe("");
    expect(gateway.connections).toBe(0);
  });

  it("close a keep-alive connection after the response in progress at shutdown", async () => {
    const upstream = await startLenientUpstream(cleanup);
    const port = await findFreePort();
    const { gateway } = await startTestGateway(cleanup, upstream.port, { listeners: [listenerOf(port)] });
    const client = await dialRaw(cleanup, port);
    client.write(GET);
    await readUntil(client, "served GET /");
    await gateway.stop();
    expect(await readUntilClosed(client)).toBe("");
    await expect(dialRaw(cleanup, port)).rejects.toThrow("ECONNREFUSED");
  });
});
