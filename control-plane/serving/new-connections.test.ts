import { Socket } from "node:net";
import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { DEFAULT_LIMITS } from "./control-plane-limits.ts";
import { NewConnections } from "./new-connections.ts";

/** Of a node, or of a NAT that a whole cluster is behind. */
const SHARED = "10.0.0.7";

function createRates() {
  const clock = new FakeClock();
  return { clock, rates: new NewConnections({ limits: DEFAULT_LIMITS, clock, metrics: undefined }) };
}

function dial(rates: NewConnections, address = SHARED): boolean {
  return rates.admit(Object.defineProperty(new Socket(), "remoteAddress", { value: address }));
}

/** Connects and proves a certificate. */
function connect(rates: NewConnections, identity: string): boolean {
  const isAdmitted = dial(rates);
  if (isAdmitted) rates.proven(SHARED, `${identity} at ${SHARED}`);
  return isAdmitted;
}

it("5,000 sidecars behind one address connect again in the same moment, twice for each", () => {
  const { rates } = createRates();
  const outcomes = Array.from({ length: 10_000 }, (_, index) => connect(rates, `account ${index % 5000}`));
  expect(outcomes.filter((isAdmitted) => !isAdmitted)).toEqual([]);
});

it("5,000 replicas of one account behind one address connect again in the same moment, twice for each", () => {
  const { rates } = createRates();
  const outcomes = Array.from({ length: 10_000 }, (_, index) => connect(rates, `account of pod ${index % 5000}`));
  expect(outcomes.filter((isAdmitted) => !isAdmitted)).toEqual([]);
});

it("the certificates of very many pods do not open connections without end", async () => {
  const { rates, clock } = createRates();
  let pods = 0;
  const connectMany = (length: number): number => {
    const outcomes = Array.from({ length }, () => {
      pods += 1;
      return connect(rates, `account of pod ${pods}`);
    });
    return outcomes.filter(Boolean).length;
  };
  expect(connectMany(21_000)).toBe(DEFAULT_LIMITS.newConnectionBurst + DEFAULT_LIMITS.provenConnectionBurst);
  await clock.advance(10_000);
  const { newConnectionsPerSecond, provenConnectionsPerSecond } = DEFAULT_LIMITS;
  expect(connectMany(2000)).toBe(10 * (newConnectionsPerSecond + provenConnectionsPerSecond));
});

it("the 250 pods of a node that share its address get their first certificates, and connect with them", () => {
  const { rates } = createRates();
  const outcomes = Array.from({ length: 250 }, (_, index) => [dial(rates), connect(rates, `account ${index % 30}`)]);
  expect(outcomes.flat().filter((isAdmitted) => !isAdmitted)).toEqual([]);
});

it("handshakes in progress count: a flood that proves nothing is refused, and other addresses are served", () => {
  const { rates } = createRates();
  const outcomes = Array.from({ length: 2000 }, () => dial(rates));
  expect(outcomes.filter((isAdmitted) => isAdmitted).length).toBe(DEFAULT_LIMITS.newConnectionBurst);
  expect(dial(rates, "10.0.0.8")).toBe(true);
});

it("one certificate does not open connections without end", async () => {
  const { rates, clock } = createRates();
  const connectMany = (): number => Array.from({ length: 2000 }, () => connect(rates, "a")).filter(Boolean).length;
  expect(connectMany()).toBe(DEFAULT_LIMITS.newConnectionBurst + DEFAULT_LIMITS.verifiedConnectionBurst);
  await clock.advance(10_000);
  const { newConnectionsPerSecond, verifiedConnectionsPerSecond } = DEFAULT_LIMITS;
  expect(connectMany()).toBe(10 * (newConnectionsPerSecond + verifiedConnectionsPerSecond));
});
