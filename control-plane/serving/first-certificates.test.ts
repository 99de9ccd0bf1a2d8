import { Socket } from "node:net";
import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { CallRates } from "../../net/call-rates.ts";
import { DEFAULT_LIMITS } from "./control-plane-limits.ts";
import { NewConnections } from "./new-connections.ts";

/** Of a NAT that a whole cluster is behind. */
const SHARED = "10.0.0.7";
const TICK_MS = 100;
/** First certificates a second, with their handshakes, on one core. */
const SERVED_PER_SECOND = 300;
const { newConnectionBurst, newConnectionsPerSecond, callBurst, callsPerSecond } = DEFAULT_LIMITS;

/** The limits of a listener, as new pods without a certificate meet them. */
class Listener {
  readonly clock = new FakeClock();
  readonly #arrivals = new NewConnections({ limits: DEFAULT_LIMITS, clock: this.clock, metrics: undefined });
  readonly #calls = new CallRates(DEFAULT_LIMITS, this.clock);

  /** Opens a connection, and calls on it. */
  dial(): "no connection" | "no call" | "called" {
    if (!this.#arrivals.admit(Object.defineProperty(new Socket(), "remoteAddress", { value: SHARED })))
      return "no connection";
    return this.#calls.take(SHARED) ? "called" : "no call";
  }

  /** The call's token was accepted. */
  accept(pod: string): void {
    this.#calls.transfer(SHARED, pod);
    this.#arrivals.proven(SHARED, pod);
  }
}

interface Start {
  readonly count: number;
  /** Called each tick. */
  readonly beside?: () => void;
  readonly limitMs?: number;
}

/**
 * Starts pods in the same moment until all have a certificate; one that is refused retries after about a second.
 * @returns how long it took
 */
async function startPods(
  listener: Listener,
  { count, beside = () => undefined, limitMs = 600_000 }: Start,
): Promise<number> {
  let [elapsedMs, served] = [0, 0];
  let waiting = Array.from({ length: count }, (_, index) => ({
    name: `account of pod ${index} at ${SHARED}`,
    dueMs: 0,
  }));
  const calling: string[] = [];
  for (; served < count && elapsedMs < limitMs; elapsedMs += TICK_MS) {
    beside();
    const later: typeof waiting = [];
    for (const pod of waiting) {
      const isDue = pod.dueMs <= elapsedMs;
      if (isDue && listener.dial() === "called") calling.push(pod.name);
      else
        later.push(
          isDue ? { ...pod, dueMs: elapsedMs + 500 + ((pod.name.length * 37 + later.length * 61) % 1000) } : pod,
        );
    }
    waiting = later;
    for (const name of calling.splice(0, (SERVED_PER_SECOND * TICK_MS) / 1000)) {
      listener.accept(name);
      served += 1;
    }
    await listener.clock.advance(TICK_MS);
  }
  return elapsedMs;
}

/** Counts the connections and calls of an attacker with garbage for tokens. */
function attack(listener: Listener) {
  const admitted = { connections: 0, calls: 0 };
  const beside = (): void => {
    for (let count = 0; count < 300; count += 1) {
      const outcome = listener.dial();
      if (outcome !== "no connection") admitted.connections += 1;
      if (outcome === "called") admitted.calls += 1;
    }
  };
  return { admitted, beside };
}

it("2,000 new pods behind one address have their certificates about as fast as they can be served", async () => {
  const tookMs = await startPods(new Listener(), { count: 2000 });
  expect(tookMs).toBeLessThan((2 * 2000 * 1000) / SERVED_PER_SECOND);
});

it("an attacker with garbage for tokens gets no more when others behind its address start", async () => {
  const listener = new Listener();
  const { admitted, beside } = attack(listener);
  await startPods(listener, { count: 100 });
  const tookMs = await startPods(listener, { count: 400, beside, limitMs: 20_000 });
  const seconds = tookMs / 1000;
  expect(admitted.connections).toBeLessThanOrEqual(newConnectionBurst + newConnectionsPerSecond * seconds);
  expect(admitted.calls).toBeLessThanOrEqual(callBurst + callsPerSecond * seconds);
  expect(admitted.connections).toBeGreaterThan(400);
});

it("one pod that asks with its token again and again gets its own share beside that of the address, and no more", async () => {
  const listener = new Listener();
  let accepted = 0;
  const askMany = (): void => {
    for (let count = 0; count < 3000; count += 1) {
      if (listener.dial() !== "called") continue;
      listener.accept("account of pod 1");
      accepted += 1;
    }
  };
  askMany();
  expect(accepted).toBe(2 * callBurst);
  accepted = 0;
  await listener.clock.advance(10_000);
  askMany();
  expect(accepted).toBeLessThanOrEqual(10 * 2 * callsPerSecond);
});
