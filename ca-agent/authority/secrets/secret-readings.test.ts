import { afterEach, beforeEach, expect, it } from "vitest";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { textsOf } from "../authority-fixture.ts";
import { SecretHarness } from "./secret-authority-fixture.ts";

const OWN = "istio-ca-secret";
const PLUGGED = "cacerts";
const [oldRoot, newRoot] = [mintRoot({ commonName: "old" }), mintRoot({ commonName: "new" })];
const signer = mintRoot({ commonName: "signer", issuer: oldRoot });
const oldTexts = textsOf({ signer, roots: [oldRoot] });
const bothTexts = textsOf({ signer, roots: [oldRoot, newRoot] });
const OUTAGE_MS = 600_000;

const cleanup = new Cleanup();
let harness: SecretHarness;
beforeEach(() => {
  harness = new SecretHarness(cleanup);
});
afterEach(() => cleanup.run());

it("control planes that have read the same have the same digest, and the age of one that is cut off grows", async () => {
  harness.put(PLUGGED, oldTexts);
  const first = await harness.start();
  await harness.pass(5000);
  const second = await harness.start();
  const read = () => [first, second].map(({ readings }) => readings().plugged);
  const digests = (): readonly (string | undefined)[] => [...new Set(read().map(({ digest }) => digest))];
  expect(digests()).toHaveLength(1);
  const [before] = digests();
  const changedMs = harness.clock.monotonicMs();
  harness.put(PLUGGED, bothTexts);
  for (const replica of [first, second]) await harness.follow("the authority has changed", replica);
  await harness.pass(100);
  expect(digests()).toHaveLength(1);
  expect(digests()).not.toContain(before);
  const sinceMs = harness.clock.monotonicMs() - changedMs;
  expect(read().map(({ ageMs }) => ageMs <= sinceMs)).toEqual([true, true]);
  expect(first.readings().own).toBeUndefined();

  harness.beforeCall = harness.away;
  harness.cutWatches();
  await harness.pass(OUTAGE_MS);
  expect(second.readings().plugged.ageMs).toBeGreaterThanOrEqual(OUTAGE_MS);
  harness.beforeCall = () => undefined;
  await harness.pass(60_000);
  expect(second.readings().plugged.ageMs).toBeLessThanOrEqual(60_000);
});

it("what is sent with new roots never has the digest of the old ones", async () => {
  harness.put(PLUGGED, oldTexts);
  const { authority, readings } = await harness.start();
  const { digest } = readings().plugged;
  const seen: boolean[] = [];
  authority.subscribe(() => queueMicrotask(() => seen.push(readings().plugged.digest === digest)));
  harness.put(PLUGGED, bothTexts);
  await harness.follow("the authority has changed");
  expect(seen).toEqual([false]);
});

it("a Secret that is refused leaves the age of what is in force, which grows", async () => {
  harness.put(PLUGGED, oldTexts);
  const { readings } = await harness.start();
  const { digest } = readings().plugged;
  await harness.pass(5000);
  harness.put(PLUGGED, { "ca-cert.pem": signer.pem });
  await harness.follow("the old one stays in force");
  // The server's lists contain it again and again.
  harness.cutWatches();
  await harness.pass(OUTAGE_MS);
  expect(readings().plugged.digest).toBe(digest);
  expect(readings().plugged.ageMs).toBeGreaterThanOrEqual(OUTAGE_MS);
});

it("the mesh's own root counts while no other authority is plugged in, and that there is none counts as well", async () => {
  harness.put(OWN, oldTexts);
  const { readings } = await harness.start();
  const before = readings();
  expect([before.plugged.digest, before.own?.digest.length]).toEqual(["", 32]);
  harness.put(PLUGGED, bothTexts);
  await harness.follow("the authority has changed");
  await harness.pass(100);
  expect(readings().own).toBeUndefined();
  expect(readings().plugged.digest).toHaveLength(32);
});
