import { describe, expect, it, onTestFinished } from "vitest";
import { requestWithEngine } from "./engine-client-fixture.ts";
import { judgeResponseCase } from "./judge-wire-case-fixture.ts";
import { RESPONSE_CASES } from "./response-cases-fixture.ts";
import { startWireOrigin } from "./wire-origin-fixture.ts";

describe("responses that clients read differently", () => {
  it.each(RESPONSE_CASES)("$name", async (testCase) => {
    const origin = await startWireOrigin(testCase);
    onTestFinished(() => origin.close());
    expect(judgeResponseCase(testCase, await requestWithEngine(origin.port))).toEqual([]);
  });
});
