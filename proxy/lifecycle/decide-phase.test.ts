import { describe, expect, it } from "vitest";
import { decidePhase, type EndRequest, type Phase, type Usage } from "./decide-phase.ts";

const CONFIG = { acceptMs: 5000, deadlineMs: 25_000 };
const SINCE_MS = 1000;

const IDLE: Usage = { inbound: 0, outbound: 0, applicationListens: false, hasServed: true };
const DRAIN = { kind: "drain", sinceMs: SINCE_MS } as const;
const STOP = { kind: "stop", sinceMs: SINCE_MS } as const;
const QUIT = { kind: "quit", sinceMs: SINCE_MS } as const;

function phaseAfter(elapsedMs: number, request: EndRequest, usage: Usage): Phase {
  return decidePhase({ request, nowMs: SINCE_MS + elapsedMs, usage, config: CONFIG });
}

const SERVING: Phase = { kind: "serving" };
const DRAINING: Phase = { kind: "draining" };
const OUTBOUND_ONLY: Phase = { kind: "outbound_only" };
const ENDED: Phase = { kind: "stopped", end: "idle" };
const OVERDUE: Phase = { kind: "stopped", end: "deadline" };

describe("the phase of a proxy", () => {
  it.each<{ name: string; request: EndRequest; elapsedMs: number; usage?: Partial<Usage>; phase: Phase }>([
    { name: "without a request is to serve", request: { kind: "none" }, elapsedMs: 1e9, phase: SERVING },
    { name: "at SIGTERM is to go on accepting", request: STOP, elapsedMs: 0, phase: DRAINING },
    { name: "is the same until others know", request: STOP, elapsedMs: 4999, phase: DRAINING },
    { name: "then ends, if nothing needs it", request: STOP, elapsedMs: 5000, phase: ENDED },
    {
      name: "waits for a request or stream of another pod",
      ...{ request: STOP, elapsedMs: 24_999, usage: { inbound: 1 }, phase: OUTBOUND_ONLY },
    },
    {
      name: "waits for the application's own connections",
      ...{ request: STOP, elapsedMs: 24_999, usage: { outbound: 1 }, phase: OUTBOUND_ONLY },
    },
    {
      name: "waits for an application that still listens",
      ...{ request: STOP, elapsedMs: 24_999, usage: { applicationListens: true }, phase: OUTBOUND_ONLY },
    },
    {
      name: "ends at the deadline, whatever is left",
      request: STOP,
      elapsedMs: 25_000,
      usage: { inbound: 1, outbound: 1, applicationListens: true },
      phase: OVERDUE,
    },
    { name: "after /drain is to go on accepting", request: DRAIN, elapsedMs: 4999, phase: DRAINING },
    { name: "after /drain alone never ends", request: DRAIN, elapsedMs: 1e9, phase: OUTBOUND_ONLY },
    { name: "after /quitquitquit is to drain, as at SIGTERM", request: QUIT, elapsedMs: 4999, phase: DRAINING },
    {
      name: "after /quitquitquit in a Job that no client has called ends at once",
      ...{ request: QUIT, elapsedMs: 0, usage: { hasServed: false }, phase: ENDED },
    },
    {
      name: "after /quitquitquit in such a Job still waits for its connections",
      ...{ request: QUIT, elapsedMs: 0, usage: { hasServed: false, outbound: 1 }, phase: OUTBOUND_ONLY },
    },
    {
      name: "at SIGTERM is to accept, even if no client has called yet",
      ...{ request: STOP, elapsedMs: 0, usage: { hasServed: false }, phase: DRAINING },
    },
  ])("$name", ({ request, elapsedMs, usage, phase }) => {
    expect(phaseAfter(elapsedMs, request, { ...IDLE, ...usage })).toEqual(phase);
  });
});
