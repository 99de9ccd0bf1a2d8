import { afterEach, expect, it } from "vitest";
import { type Clock, systemClock } from "../../../mesh/runtime.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { ControlPlaneFixture } from "./control-plane-fixture.ts";
import { ControlPlaneSession } from "./control-plane-session.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const PING_MS = 12_345;

it("a ping that is due when the connection has just ended does not throw", async () => {
  const plane = await ControlPlaneFixture.start();
  cleanup.add(() => plane.dispose());
  const pings: (() => void)[] = [];
  const clock: Clock = {
    ...systemClock,
    setTimeout: (action, delayMs) => {
      if (delayMs === PING_MS) pings.push(action);
      return systemClock.setTimeout(action, delayMs);
    },
  };
  const session = await ControlPlaneSession.open({
    url: `https://${plane.address}`,
    tls: { ca: plane.authority.roots().join(""), servername: "localhost" },
    ...{ clock, timeoutMs: 60_000, pingIntervalMs: PING_MS, signal: AbortSignal.timeout(60_000) },
  });
  const stream = await session.request("POST", "/", {}, {});
  stream.on("error", () => undefined);
  stream.session?.destroy();
  const [ping] = pings;
  expect(ping).toBeDefined();
  expect(() => ping?.()).not.toThrow();
  await session.closed;
});
