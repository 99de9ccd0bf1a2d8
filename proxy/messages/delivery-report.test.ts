import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDeliveryReport, parseDeliveryReport } from "./delivery-report.ts";

const PROOF = "0123456789abcdef".repeat(2);

describe("a report of delivery", () => {
  it.each(["undelivered", "interrupted"] as const)("is read as it was written: %s", (outcome) => {
    const report = { outcome, proof: PROOF };
    expect(parseDeliveryReport(formatDeliveryReport(report))).toEqual(report);
  });

  it.each([
    { name: "no proof", text: "undelivered" },
    { name: "an empty proof", text: "undelivered-" },
    { name: "a short proof", text: `undelivered-${PROOF.slice(1)}` },
    { name: "a long proof", text: `undelivered-${PROOF}0` },
    { name: "upper case", text: `undelivered-${PROOF.toUpperCase()}` },
    { name: "another outcome", text: `delivered-${PROOF}` },
    { name: "a list", text: `undelivered-${PROOF}, undelivered-${PROOF}` },
  ])("is none with $name", ({ text }) => {
    expect(parseDeliveryReport(text)).toBeUndefined();
  });

  it("is read from no other text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const report = parseDeliveryReport(text);
        expect(report === undefined || formatDeliveryReport(report) === text).toBe(true);
      }),
    );
  });
});
