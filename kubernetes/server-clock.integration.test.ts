import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startScriptedServer } from "./scripted-server-fixture.ts";
import { readServerClock } from "./server-clock.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const NOW_MS = Date.parse("2026-01-01T12:00:00Z");

async function readClock(date: string | undefined): Promise<number> {
  const access = await startScriptedServer(cleanup, (_request, response) => {
    response.sendDate = false;
    if (date !== undefined) response.setHeader("date", date);
    response.end("{}");
  });
  return await readServerClock({ access, now: () => NOW_MS, signal: AbortSignal.timeout(60_000) });
}

describe("the API server's clock", () => {
  it.each([
    { date: "Thu, 01 Jan 2026 12:00:00 GMT", aheadMs: 500 },
    { date: "Thu, 01 Jan 2026 13:00:00 GMT", aheadMs: 3_600_500 },
    { date: "Thu, 01 Jan 2026 11:59:00 GMT", aheadMs: -59_500 },
  ])("is $aheadMs ms ahead at $date", async ({ date, aheadMs }) => {
    expect(await readClock(date)).toBe(aheadMs);
  });

  it.each([{ date: undefined }, { date: "yesterday" }])("is unknown for the Date $date", async ({ date }) => {
    await expect(readClock(date)).rejects.toThrow("the response has no Date");
  });
});
