import { describe, expect, it } from "vitest";
import { replyToDialFailure } from "./dial-failure.ts";

describe("an upstream that could not be dialled", () => {
  it.each([
    { kind: "no_healthy_endpoint", flags: "UH", words: "no healthy endpoint: why" },
    { kind: "connect", flags: "UF", words: "upstream connect: why" },
    { kind: "tls", flags: "UF", words: "mTLS refused: why" },
    { kind: "refused", flags: "NR", words: "destination refused: why" },
  ] as const)("is 503 with $flags if the cause is $kind, and names it", ({ kind, flags, words }) => {
    expect(replyToDialFailure(kind, "why")).toEqual({ status: 503, flags, details: words });
  });
});
