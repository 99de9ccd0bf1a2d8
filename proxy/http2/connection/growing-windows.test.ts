import { describe, expect, it } from "vitest";
import { type Network, transfer } from "./distant-peers-fixture.ts";

/** A fast network: only the windows limit what a round trip brings. */
const FAST = { bytesPerMs: 1_000_000 };
const MAX_BYTES = 1_048_576;

/** One read of a plain socket, and of a TLS socket: a record. */
const READS = [65_536, 16_384];

describe("a stream's window", () => {
  const directions = ["download", "upload"] as const;
  const cases = directions.flatMap((direction) =>
    [1, 40].flatMap((roundTripMs) =>
      READS.map((readBytes) => ({ direction, network: { ...FAST, roundTripMs, readBytes } })),
    ),
  );
  it.each(cases)(
    "grows to 1 MB while its peer waits for it: $direction, $network.roundTripMs ms, reads of $network.readBytes",
    ({ direction, network }) => {
      const { windowBytes, bytesPerRoundTrip } = transfer(direction, network, 30);
      expect(windowBytes).toBe(MAX_BYTES);
      expect(bytesPerRoundTrip).toBeGreaterThan(MAX_BYTES * 0.75);
    },
  );

  it.each<Network>([
    { roundTripMs: 1, bytesPerMs: 2000, readBytes: 16_384 },
    { roundTripMs: 1, bytesPerMs: 10_000, readBytes: 16_384 },
    { roundTripMs: 10, bytesPerMs: 1000, readBytes: 16_384 },
  ])("does not fill the queues of a slow network: $bytesPerMs bytes/ms at $roundTripMs ms", (network) => {
    const { windowBytes, bytesPerRoundTrip } = transfer("download", network, 2000);
    expect(windowBytes).toBeLessThanOrEqual(131_072);
    expect(bytesPerRoundTrip).toBeGreaterThan(0.95 * network.roundTripMs * network.bytesPerMs);
  });
});
