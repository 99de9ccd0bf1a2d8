import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FreedMemory, poisonFreedMemory } from "../connections/memory/read-memory-fixture.ts";
import { bodyOf, DeferredWorld, encode, type Message } from "./deferred-world-fixture.ts";

let freed: FreedMemory;
beforeAll(() => {
  freed = poisonFreedMemory();
});
afterAll(() => freed.restore());

const message = fc
  .record({
    // A request of up to 64 KB is kept for a retry.
    bytes: fc.oneof(fc.integer({ min: 0, max: 60_000 }), fc.integer({ min: 0, max: 200_000 })),
    seed: fc.integer({ min: 1, max: 250 }),
    chunks: fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 3 }),
  })
  .map(({ bytes, seed, chunks }): Message => {
    const content = Buffer.from(Array.from({ length: bytes }, (_, at) => (at * seed + (at >> 8)) % 200));
    return { content, chunks: chunks.length === 0 ? [] : [...chunks, 5000] };
  });

type Step = (world: DeferredWorld) => boolean;

const size = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 8000, max: 66_000 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: size.map(
      (bytes): Step =>
        (world) =>
          world.sendRequest(bytes),
    ),
  },
  {
    weight: 4,
    arbitrary: size.map(
      (bytes): Step =>
        (world) =>
          world.sendResponse(bytes),
    ),
  },
  { weight: 3, arbitrary: fc.constant<Step>((world) => world.client.complete()) },
  { weight: 4, arbitrary: fc.constant<Step>((world) => world.server?.complete() === true) },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.reset()) },
);

interface Exchanged {
  readonly version: "1.0" | "1.1";
  readonly request: Message;
  readonly response: Message;
  readonly moves: readonly Step[];
}

const exchanged: fc.Arbitrary<Exchanged> = fc
  .record({
    version: fc.constantFrom("1.0", "1.1"),
    request: message,
    response: message,
    moves: fc.array(step, { maxLength: 60, size: "max" }),
  })
  .map((drawn) => (drawn.version === "1.1" ? drawn : { ...drawn, request: { ...drawn.request, chunks: [] } }));

function expectBeginning(received: Buffer, whole: Buffer): void {
  expect(received.equals(whole.subarray(0, received.length))).toBe(true);
}

/** Whatever has arrived is what was sent; what no reset interrupted is complete. */
function expectUnchanged(world: DeferredWorld, { version, response }: Exchanged): boolean {
  const { client, servers, server } = world;
  expect([client, ...servers].map(({ wasCorrupted }) => wasCorrupted)).not.toContain(true);
  for (const each of servers) expectBeginning(bodyOf(each), world.requestBody);
  if (server?.destroyed === false) expect(bodyOf(server).length).toBe(world.requestBody.length);
  if (!client.received.toString("latin1", 0, 12).endsWith("200")) return false;
  const expected = version === "1.0" ? response.content : encode(response);
  expectBeginning(bodyOf(client), expected);
  if (server?.destroyed === false) expect(bodyOf(client).length).toBe(expected.length);
  return true;
}

describe("a body whose memory is freed when it is written", () => {
  it("arrives unchanged, however reads, writes, retries and resets are interleaved", async () => {
    let [retried, responded] = [0, 0];
    const property = fc.asyncProperty(exchanged, async (drawn) => {
      const world = new DeferredWorld(drawn.version, drawn.request, drawn.response);
      for (const move of drawn.moves) {
        move(world);
        await setImmediate();
      }
      await world.finish();
      if (world.servers.length > 1) retried += 1;
      if (expectUnchanged(world, drawn)) responded += 1;
    });
    await fc.assert(property, { numRuns: 150 });
    // Else the test would say nothing.
    expect([retried, responded].every((count) => count > 10)).toBe(true);
    expect(freed.bytes).toBeGreaterThan(1_000_000);
  });
});
