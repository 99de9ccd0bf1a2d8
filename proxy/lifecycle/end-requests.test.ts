import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { EndRequest } from "./decide-phase.ts";
import { type EndCommand, EndRequests } from "./end-requests.ts";

async function requested(...kinds: readonly EndCommand[]): Promise<EndRequests> {
  const clock = new FakeClock();
  const requests = new EndRequests(clock);
  for (const kind of kinds) {
    requests.add(kind);
    await clock.advance(1000);
  }
  return requests;
}

describe("requests to end", () => {
  it.each<{ name: string; kinds: readonly EndCommand[]; current: EndRequest; ends: boolean }>([
    { name: "none: the proxy serves", kinds: [], current: { kind: "none" }, ends: false },
    {
      name: "/drain begins, and does not end the process",
      kinds: ["drain"],
      current: { kind: "drain", sinceMs: 0 },
      ends: false,
    },
    {
      name: "SIGTERM after /drain comes after the application's end, and counts from /drain",
      kinds: ["drain", "stop"],
      current: { kind: "application_ended", sinceMs: 0 },
      ends: true,
    },
    { name: "SIGTERM alone does not", kinds: ["stop"], current: { kind: "stop", sinceMs: 0 }, ends: true },
    {
      name: "/drain after SIGTERM changes nothing",
      kinds: ["stop", "drain"],
      current: { kind: "stop", sinceMs: 0 },
      ends: true,
    },
    {
      name: "/quitquitquit after SIGTERM tells that the application has ended",
      kinds: ["stop", "quit"],
      current: { kind: "application_ended", sinceMs: 0 },
      ends: true,
    },
    {
      name: "SIGTERM after /quitquitquit changes nothing",
      kinds: ["quit", "stop"],
      current: { kind: "application_ended", sinceMs: 0 },
      ends: true,
    },
  ])("$name", async ({ kinds, current, ends }) => {
    const requests = await requested(...kinds);
    expect(requests.current).toEqual(current);
    expect([requests.begun.aborted, requests.ending.aborted]).toEqual([kinds.length > 0, ends]);
  });
});
