import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { CaError } from "../ca-error.ts";
import type { ServingPair, ServingRequest } from "./authority.ts";
import { startServingCertificate } from "./serving-certificate.ts";

const HOUR_MS = 3_600_000;

/** Numbers its certificates; fails on request. */
class CountingSigner {
  count = 0;
  fails = false;
  change: () => void = () => undefined;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  subscribe(listener: () => void): () => void {
    this.change = listener;
    return () => {
      this.change = () => undefined;
    };
  }

  signServing({ lifetimeMs }: ServingRequest): ServingPair {
    if (this.fails) throw new CaError("authority_expired", "the authority has expired");
    this.count += 1;
    const notAfterMs = this.#clock.now() + lifetimeMs;
    return { certificateChainPem: `certificate ${this.count}`, privateKeyPem: "key", notAfterMs };
  }
}

function start() {
  const clock = new FakeClock();
  const authority = new CountingSigner(clock);
  const log = new RecordingLogger();
  const serving = startServingCertificate({ authority, dnsNames: ["istiod"], lifetimeMs: 24 * HOUR_MS, clock, log });
  const seen: string[] = [];
  serving.subscribe(({ certificateChainPem }) => seen.push(certificateChainPem));
  return { clock, authority, log, serving, seen };
}

it("the certificate is renewed at half of its lifetime, repeatedly", async () => {
  const { clock, serving, seen } = start();
  await clock.advance(12 * HOUR_MS - 60_000);
  expect([serving.current().certificateChainPem, ...seen]).toEqual(["certificate 1"]);
  await clock.advance(2 * 60_000);
  expect([serving.current().certificateChainPem, ...seen]).toEqual(["certificate 2", "certificate 2"]);
  await clock.advance(12 * HOUR_MS);
  expect(seen).toEqual(["certificate 2", "certificate 3"]);
});

it("a suspended machine renews within a minute of waking", async () => {
  const { clock, seen } = start();
  clock.jump(20 * HOUR_MS);
  await clock.advance(60_000);
  expect(seen).toEqual(["certificate 2"]);
});

it("a clock that was a day ahead and is set right leaves no certificate in use that is not valid yet", async () => {
  const { clock, authority, serving, seen } = start();
  clock.jump(-30_000);
  await clock.advance(60_000);
  expect(seen).toEqual([]);
  clock.jump(-24 * HOUR_MS);
  authority.fails = true;
  await clock.advance(10_000);
  expect(serving.current().certificateChainPem).toBe("certificate 1");
  authority.fails = false;
  await clock.advance(60_000);
  expect(seen).toEqual(["certificate 2"]);
  await clock.advance(12 * HOUR_MS - 60_000);
  expect(seen).toEqual(["certificate 2"]);
  await clock.advance(2 * 60_000);
  expect(seen).toEqual(["certificate 2", "certificate 3"]);
});

it("a failed renewal keeps the old certificate, is logged, and is retried each minute", async () => {
  const { clock, authority, log, serving, seen } = start();
  authority.fails = true;
  await clock.advance(13 * HOUR_MS);
  expect(serving.current().certificateChainPem).toBe("certificate 1");
  expect(log.find("authority_expired")).toHaveLength(61);
  authority.fails = false;
  await clock.advance(60_000);
  expect(seen).toEqual(["certificate 2"]);
});

it("nothing is renewed after the stop", async () => {
  const { clock, serving, seen } = start();
  serving.stop();
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(24 * HOUR_MS);
  expect(seen).toEqual([]);
});

it("the certificate is renewed when the authority changes, until it is stopped", async () => {
  const { authority, serving, seen } = start();
  authority.change();
  expect(seen).toEqual(["certificate 2"]);
  serving.stop();
  authority.change();
  expect(seen).toEqual(["certificate 2"]);
});
