import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { type PingedSession, startKeepalive } from "./keepalive.ts";

const LIMITS = { pingIntervalMs: 20_000, pingTimeoutMs: 10_000 };

/** Responds to pings when a test says so. */
class FakeSession implements PingedSession {
  readonly destroyed = false;
  readonly closed = false;
  pings = 0;
  respond: () => void = () => undefined;

  ping(onResponse: (error: Error | null) => void): boolean {
    this.pings += 1;
    this.respond = () => onResponse(null);
    return true;
  }
}

it("a connection that responds to no ping is dead", async () => {
  const clock = new FakeClock();
  let dead = 0;
  const onDead = (): void => {
    dead += 1;
  };
  startKeepalive(new FakeSession(), LIMITS, { clock, onDead });
  await clock.advance(29_999);
  expect(dead).toBe(0);
  await clock.advance(60_000);
  expect(dead).toBe(1);
});

it("a control plane that could not run for a minute ends no connection whose response has arrived", async () => {
  const due: (() => void)[] = [];
  const clock = {
    ...systemClock,
    setTimeout: (action: () => void) => {
      due.push(action);
      return { cancel: () => undefined };
    },
  };
  const session = new FakeSession();
  let isDead = false;
  const onDead = (): void => {
    isDead = true;
  };
  startKeepalive(session, LIMITS, { clock, onDead });
  const runTimer = (): void => due.shift()?.();
  runTimer();
  expect(session.pings).toBe(1);
  // The time is over, and then the socket is read.
  runTimer();
  session.respond();
  await new Promise((resolve) => setImmediate(resolve));
  expect(isDead).toBe(false);
  runTimer();
  expect(session.pings).toBe(2);
});
