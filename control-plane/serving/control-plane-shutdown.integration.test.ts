import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { closing, openCall, startControlPlaneFixture } from "./control-plane-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** Resolves when the server has asked the client to connect elsewhere. */
function askedToLeave(session: ClientHttp2Session): Promise<unknown> {
  return once(session, "goaway");
}

describe("a control plane that stops", () => {
  it("asks a client to connect elsewhere; its calls go on until it closes them, and only then the stop is complete", async () => {
    const plane = await startControlPlaneFixture({ limits: { closeGraceMs: 60_000 } });
    const session = plane.dialHttp2(await plane.workload());
    cleanup.add(() => session.destroy());
    await once(session, "connect");
    await openCall(session);
    const asked = askedToLeave(session);
    let isStopped = false;
    const stopped = plane.stop().then(() => {
      isStopped = true;
    });
    await asked;
    const late = plane.dialTls();
    await closing(late);
    expect(late.getPeerX509Certificate()).toBeUndefined();
    expect([session.destroyed, isStopped]).toEqual([false, false]);
    session.destroy();
    await stopped;
  });

  it("cuts a client that does not leave within its time", async () => {
    const plane = await startControlPlaneFixture({ limits: { closeGraceMs: 50 } });
    const session = plane.dialHttp2(await plane.workload());
    await once(session, "connect");
    await openCall(session);
    const closed = closing(session);
    await plane.stop();
    await closed;
  });

  it("asks its clients one after another, so that not all connect elsewhere in the same moment", async () => {
    const clock = new FakeClock(Date.now());
    const limits = { closeGraceMs: 60_000, closeSpreadMs: 4000 };
    const plane = await startControlPlaneFixture({ clock, limits });
    const certificate = await plane.workload();
    const sessions = Array.from({ length: 4 }, () => plane.dialHttp2(certificate));
    await Promise.all(sessions.map((session) => once(session, "connect")));
    for (const session of sessions) await openCall(session);
    const asked: number[] = [];
    for (const [index, session] of sessions.entries()) void askedToLeave(session).then(() => asked.push(index));
    const stopped = plane.stop();
    for (const count of [1, 2, 3, 4]) {
      await expect.poll(() => asked.length).toBe(count);
      await clock.advance(1000);
    }
    for (const session of sessions) session.destroy();
    await stopped;
  });
});
