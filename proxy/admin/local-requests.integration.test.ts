import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { createRecordedLog } from "../../net/http-fixture.ts";
import { startLocalHttpServer } from "../../net/local-http-server.ts";
import { awaitReady, requestDrain } from "./local-requests.ts";
import { type Readiness, startReadinessServer } from "./status-server.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const log = createRecordedLog();
const host = "127.0.0.1";

async function startReadiness(readiness: () => Readiness): Promise<number> {
  const server = await startReadinessServer({ port: 0, host, log, readiness });
  cleanup.add(() => server.stop());
  return server.port;
}

describe("waiting for the proxy", () => {
  const waitFor = (port: number, timeoutMs = 60_000, signal = new AbortController().signal) =>
    awaitReady({ port, timeoutMs, clock: startFastClock(cleanup, 1), signal });

  it("ends when the proxy becomes ready", async () => {
    let requests = 0;
    const port = await startReadiness(() => {
      requests += 1;
      return requests < 3 ? { ready: false, reason: "no certificate yet" } : { ready: true };
    });
    await waitFor(port);
    expect(requests).toBe(3);
  });

  it("fails when the time is over, with the proxy's own reason", async () => {
    const port = await startReadiness(() => ({ ready: false, reason: "no certificate yet" }));
    await expect(waitFor(port, 250)).rejects.toThrow(
      "not_ready: the proxy was not ready within 0.25 s: no certificate yet",
    );
  });

  it("goes on while the proxy does not listen yet", async () => {
    await expect(waitFor(await findFreePort(), 250)).rejects.toThrow("ECONNREFUSED");
  });

  it("ends when it is interrupted", async () => {
    const port = await startReadiness(() => ({ ready: false, reason: "no certificate yet" }));
    await expect(waitFor(port, 60_000, AbortSignal.timeout(50))).rejects.toThrow("interrupted");
  });
});

describe("the request to drain", () => {
  it("is a POST from loopback", async () => {
    const received: unknown[] = [];
    const server = await startLocalHttpServer({
      ...{ port: 0, host, log },
      respond: ({ method, path, remoteAddress }) => {
        received.push({ method, path, remoteAddress });
        return { status: 200, body: "ok\n" };
      },
    });
    cleanup.add(() => server.stop());
    await requestDrain(server.port);
    expect(received).toEqual([{ method: "POST", path: "/drain", remoteAddress: "127.0.0.1" }]);
  });

  it("fails if no proxy listens, or if it refuses", async () => {
    const port = await startReadiness(() => ({ ready: true }));
    await expect(requestDrain(port)).rejects.toThrow("no_proxy: the proxy refused to drain: 404 not found");
    await cleanup.run();
    await expect(requestDrain(port)).rejects.toThrow(`no_proxy: no proxy responds on 127.0.0.1:${port}`);
  });
});
