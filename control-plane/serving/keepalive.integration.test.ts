import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { type ControlPlaneFixture, closing, startControlPlaneFixture } from "./control-plane-fixture.ts";

let plane: ControlPlaneFixture;
afterEach(() => plane.stop());

const NO_PING_RESPONSE = 'entente_control_plane_connections_refused_total{reason="no_ping_response"}';
/** The preface and an empty SETTINGS frame (RFC 9113, section 3.4). */
const PREFACE = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

it("a proxy that no longer responds to pings loses its connection; one that does keeps it", async () => {
  const clock = new FakeClock(Date.now());
  plane = await startControlPlaneFixture({ clock, limits: { pingIntervalMs: 1000, pingTimeoutMs: 5000 } });
  const alive = plane.dialHttp2(await plane.workload());
  await once(alive, "remoteSettings");
  // It reads everything and responds to nothing.
  const dead = plane.dialTls(await plane.workload()).resume();
  await once(dead, "secureConnect");
  dead.write(PREFACE);
  // The server's SETTINGS: it has a session now, which it pings.
  await once(dead, "data");
  const pinged = once(alive, "ping");
  await clock.advance(1000);
  await pinged;
  // Behind the response to the server's ping.
  await new Promise((resolve) => alive.ping(resolve));
  await clock.advance(5000);
  await closing(dead);
  expect(await plane.metric(NO_PING_RESPONSE)).toBe(1);
  expect([alive.closed, alive.destroyed]).toEqual([false, false]);
  alive.destroy();
});
