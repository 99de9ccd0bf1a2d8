import { describe, expect, it } from "vitest";
import { known, unknown } from "./fact.ts";
import { checkMachineFacts } from "./machine-checks.ts";

const kinds = (facts: Parameters<typeof checkMachineFacts>[0]) =>
  checkMachineFacts(facts).checks.map(({ outcome }) => outcome.kind);

describe("a machine", () => {
  const rules = known([{ family: "ipv4", backend: "nft", changed: true }] as const);

  it.each([
    { name: "can run pods", machine: known("linux"), capture: rules, expected: ["ok", "ok"] },
    {
      name: "lacks a kernel module",
      machine: known("linux"),
      capture: unknown("missing_module: xt_REDIRECT"),
      expected: ["ok", "failed"],
    },
    {
      name: "is not Linux, and nothing is tried",
      machine: unknown("this is darwin"),
      capture: unknown("this is darwin"),
      expected: ["failed", "skipped"],
    },
  ])("$name", ({ machine, capture, expected }) => {
    expect(kinds({ machine, capture })).toEqual(expected);
  });
});
