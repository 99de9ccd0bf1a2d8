import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decideLocalConnections } from "../../../net/descriptor-limit.ts";
import { decideConnectionLimits } from "./decide-connection-limits.ts";

/** Descriptors of Node, the listeners and the log. */
const OWN = 64;

describe("the connections that a proxy may have", () => {
  it("fit its descriptors, whatever their number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 160, max: 2 ** 22 }), (maxDescriptors) => {
        const limits = decideConnectionLimits(maxDescriptors);
        const local = 4 * decideLocalConnections(maxDescriptors);
        const sidecar = 4 * limits.maxPerDirection + limits.maxIdleUpstream;
        const gateway = 2 * limits.maxGatewayClients + limits.maxIdleUpstream;
        expect(OWN + local + sidecar).toBeLessThanOrEqual(maxDescriptors);
        expect(OWN + local + gateway).toBeLessThanOrEqual(maxDescriptors);
      }),
    );
  });

  it("leave room for others in every state", () => {
    fc.assert(
      fc.property(fc.integer({ min: 256, max: 2 ** 22 }), (maxDescriptors) => {
        const limits = decideConnectionLimits(maxDescriptors);
        expect(limits.maxUnproved).toBeLessThanOrEqual(limits.maxPerDirection / 2);
        expect(limits.maxUnproved + limits.maxSilentPlaintext).toBeLessThan(limits.maxPerDirection);
      }),
    );
  });

  it.each([
    { maxDescriptors: 450, maxPerDirection: 72, maxSilentPlaintext: 18 },
    { maxDescriptors: 1024, maxPerDirection: 182, maxSilentPlaintext: 45 },
    { maxDescriptors: 1_048_576, maxPerDirection: 259_952, maxSilentPlaintext: 1024 },
  ])("$maxDescriptors descriptors", ({ maxDescriptors, ...expected }) => {
    expect(decideConnectionLimits(maxDescriptors)).toMatchObject(expected);
  });
});
