import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSvidKey } from "./csr.ts";
import { fail, HOUR_MS, IDENTITY, LIFE_MS, SvidFixture, silence } from "./svid-fixture.ts";

let svid: SvidFixture;

beforeEach(() => {
  svid = new SvidFixture();
});

afterEach(() => svid.manager.stop());

describe("startSvidManager", () => {
  it("publishes a certificate with the key that it asked for, without the root", async () => {
    await svid.start();
    const material = svid.source.current();
    expect(material).toMatchObject({ generation: 1, identity: IDENTITY });
    expect(material?.certificates).toHaveLength(1);
    expect(material?.certificates[0]?.checkPrivateKey(svid.keys[0] ?? createSvidKey())).toBe(true);
    expect(svid.manager.readiness()).toEqual({ ready: true });
  });

  it("has no certificate before the first one is issued, reports why, and retries", async () => {
    svid.answers = [fail(), fail(), svid.issue()];
    await svid.start();
    expect(svid.source.current()).toBeUndefined();
    expect(svid.manager.readiness()).toEqual({
      ready: false,
      reason: "there is no certificate yet: unexpected: connection refused",
    });
    await svid.clock.advance(1000);
    expect(svid.source.current()?.identity).toBe(IDENTITY);
    expect(svid.requests).toHaveLength(3);
  });

  it("waits longer after each failure, and starts over after a success", async () => {
    svid.answers = [fail(), fail(), fail(), fail(), svid.issue({ lifeMs: 60_000 }), fail(), fail(), svid.issue()];
    svid.share = 0.999;
    await svid.start();
    await svid.clock.advance(40_000);
    const waits = svid.requests
      .slice(1)
      .map((time, index) => Math.round((time - (svid.requests[index] ?? 0)) / 100) * 100);
    expect(waits.slice(0, 4)).toEqual([100, 200, 400, 800]);
    // Then half of the certificate's minute and a tenth of that, and then from the beginning.
    expect(waits[4]).toBeGreaterThan(32_000);
    expect(waits[4]).toBeLessThan(33_100);
    expect(waits.slice(5)).toEqual([100, 200]);
  });

  it("never waits longer than a tenth of the remaining lifetime, or a second", async () => {
    svid.answers = [svid.issue({ lifeMs: 60_000 }), fail()];
    svid.share = 0.999;
    await svid.start();
    await svid.clock.advance(59_000);
    const waits = svid.requests
      .slice(2)
      .map((time, index) => ({ wait: time - (svid.requests[index + 1] ?? 0), at: svid.requests[index + 1] ?? 0 }));
    expect(waits.length).toBeGreaterThan(10);
    const end = svid.source.current()?.notAfterMs ?? 0;
    for (const { wait, at } of waits) expect(wait).toBeLessThanOrEqual(Math.max(1000, (end - at) / 10) + 1);
  });

  it.each([
    { name: "earliest", share: 0, hours: 10.8 },
    { name: "middle", share: 0.5, hours: 12 },
    { name: "latest", share: 0.9999, hours: 13.2 },
  ])("replaces a certificate at half its lifetime, $name at $hours hours", async ({ share: chosen, hours }) => {
    svid.share = chosen;
    await svid.start();
    const [first] = svid.source.current()?.certificates ?? [];
    await svid.clock.advance(hours * HOUR_MS - 60_000);
    expect(svid.source.current()?.certificates[0]).toBe(first);
    await svid.clock.advance(120_000);
    expect(svid.source.current()?.generation).toBe(2);
    expect(svid.keys).toHaveLength(2);
    expect(svid.keys[0]?.equals(svid.keys[1] ?? createSvidKey())).toBe(false);
  });

  it("keeps the old certificate while there is no new one, and presents none once it has expired", async () => {
    svid.answers = [svid.issue(), fail("no route to host")];
    await svid.start();
    await svid.clock.advance(LIFE_MS - 60_000);
    expect(svid.source.current()?.generation).toBe(1);
    expect(svid.manager.readiness()).toEqual({ ready: true });
    await svid.clock.advance(120_000);
    expect(svid.source.current()).toBeUndefined();
    const readiness = svid.manager.readiness();
    expect(readiness.ready === false && readiness.reason).toMatch(
      /expired \(ended at 2030-01-02T00:00:00\.000Z, it is 2030-01-02T00:01:00\.000Z\).*no route to host/,
    );
    expect(svid.log.find("certificate_expired")).toHaveLength(1);
    svid.answers = [svid.issue()];
    await svid.clock.advance(20_000);
    expect(svid.source.current()?.generation).toBe(2);
    expect(svid.manager.readiness()).toEqual({ ready: true });
  });

  it("renews soon after a machine was suspended past the renewal time", async () => {
    await svid.start();
    svid.clock.jump(LIFE_MS - HOUR_MS);
    await svid.clock.advance(10_000);
    expect(svid.source.current()?.generation).toBe(2);
  });

  it("presents nothing as soon as a machine was suspended past the expiry, and recovers", async () => {
    await svid.start();
    svid.clock.jump(LIFE_MS + HOUR_MS);
    expect(svid.source.current()).toBeUndefined();
    await svid.clock.advance(10_000);
    expect(svid.log.find("certificate_expired")).toHaveLength(1);
    expect(svid.source.current()?.generation).toBe(2);
  });

  it("is not delayed by a wall clock that is set back between two attempts", async () => {
    svid.answers = [fail(), svid.issue()];
    await svid.start();
    svid.clock.jump(-HOUR_MS);
    await svid.clock.advance(1000);
    expect(svid.source.current()?.generation).toBe(1);
  });

  it("renews in time though its wall clock was set back by a day", async () => {
    await svid.start();
    svid.clock.jump(-LIFE_MS);
    await svid.clock.advance(12 * HOUR_MS + 1000);
    expect(svid.requests).toHaveLength(2);
  });

  it("does not ask ever faster while its certificate ends and the authority refuses at once", async () => {
    svid.answers = [svid.issue({ lifeMs: 60_000 }), fail()];
    await svid.start();
    const endMs = svid.clock.now() + 60_000;
    await svid.clock.advance(60_000);
    // Half a second apart, by this random number.
    expect(svid.requests.filter((ms) => ms >= endMs - 10_000).length).toBeLessThanOrEqual(21);
  });

  it("counts its attempts, and those after a failure", async () => {
    svid.answers = [fail(), fail(), svid.issue()];
    await svid.start();
    await svid.clock.advance(1000);
    expect(svid.meter).toMatchObject({ requested: 3, retried: 2, failed: 2, succeeded: 1 });
  });

  it("handles a lifetime of years and one of zero", async () => {
    svid.answers = [svid.issue({ lifeMs: 5 * 365 * 24 * HOUR_MS }), svid.issue({ lifeMs: 0 })];
    await svid.start();
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(1);
    svid.clock.jump(4 * 365 * 24 * HOUR_MS);
    await svid.clock.advance(13_000);
    expect(svid.requests.length).toBeGreaterThan(1);
    expect(svid.requests.length).toBeLessThan(10);
  });

  it("awaits an authority that takes ten seconds, and uses the old certificate meanwhile", async () => {
    await svid.start();
    const before = svid.source.current();
    svid.answers = [
      async (key) => {
        await new Promise<void>((resolve) => svid.clock.setTimeout(resolve, 10_000));
        return await svid.issue()(key);
      },
    ];
    await svid.clock.advance(12 * HOUR_MS + 9000);
    expect(svid.source.current()).toBe(before);
    await svid.clock.advance(1001);
    expect(svid.source.current()?.generation).toBe(2);
    expect(svid.requests).toHaveLength(2);
  });

  it("aborts an attempt without a response", async () => {
    svid.answers = [silence, svid.issue()];
    await svid.start();
    await svid.clock.advance(29_000);
    expect(svid.requests).toHaveLength(1);
    await svid.clock.advance(2000);
    expect(svid.source.current()?.generation).toBe(1);
  });

  it("does nothing once it was stopped, even if a response still arrives", async () => {
    let reply: (() => void) | undefined;
    svid.answers = [
      (key) =>
        new Promise((resolve) => {
          reply = () => resolve(svid.issue()(key));
        }),
    ];
    await svid.start();
    svid.manager.stop();
    reply?.();
    await svid.clock.advance(LIFE_MS);
    expect(svid.source.current()).toBeUndefined();
    expect(svid.clock.pendingTimers).toBe(0);
    expect(svid.requests).toHaveLength(1);
  });

  it("notifies its listeners of each change, and of the expiry", async () => {
    svid.answers = [svid.issue({ lifeMs: 30_000 }), fail()];
    await svid.start();
    const kinds: string[] = [];
    svid.manager.subscribe((state) => kinds.push(`${state.kind} ${svid.manager.readiness().ready}`));
    await svid.clock.advance(60_000);
    expect(kinds.slice(0, 2)).toEqual(["requesting true", "retrying true"]);
    expect(kinds).toContain("retrying false");
  });
});
