import { describe, expect, it } from "vitest";
import { decidePhase, type EndRequest, isIdle, type Phase, type Usage } from "./decide-phase.ts";

const CONFIG = { acceptMs: 5000, deadlineMs: 25_000 };
const SINCE_MS = 1000;

const IDLE: Usage = { inbound: 0, outbound: 0, applicationListens: false, hasServed: true };
const DRAIN = { kind: "drain", sinceMs: SINCE_MS } as const;
const STOP = { kind: "stop", sinceMs: SINCE_MS } as const;
const ENDED_APPLICATION = { kind: "application_ended", sinceMs: SINCE_MS } as const;

interface Case {
  readonly name: string;
  readonly request: EndRequest;
  readonly elapsedMs: number;
  readonly usage?: Partial<Usage>;
  /** How long nothing has needed the proxy. @default since the request */
  readonly idleMs?: number;
  readonly phase: Phase;
}

function phaseOf({ request, elapsedMs, usage = {}, idleMs = elapsedMs }: Case): Phase {
  const nowMs = SINCE_MS + elapsedMs;
  const current = { ...IDLE, ...usage };
  const idleSinceMs = isIdle(current) ? nowMs - idleMs : undefined;
  return decidePhase({ request, nowMs, usage: current, idleSinceMs, config: CONFIG });
}

const SERVING: Phase = { kind: "serving" };
const DRAINING: Phase = { kind: "draining" };
const OUTBOUND_ONLY: Phase = { kind: "outbound_only" };
const ENDED: Phase = { kind: "stopped", end: "idle" };
const OVERDUE: Phase = { kind: "stopped", end: "deadline" };

describe("the phase of a proxy", () => {
  it.each<Case>([
    { name: "without a request is to serve", request: { kind: "none" }, elapsedMs: 1e9, phase: SERVING },
    { name: "at SIGTERM is to go on accepting", request: STOP, elapsedMs: 0, phase: DRAINING },
    { name: "is the same until others know", request: STOP, elapsedMs: 4999, phase: DRAINING },
    { name: "then ends, if nothing needs it", request: STOP, elapsedMs: 5000, phase: ENDED },
    {
      name: "waits for an application that pauses between two calls",
      ...{ request: STOP, elapsedMs: 9000, idleMs: 4999, phase: OUTBOUND_ONLY },
    },
    { name: "ends when that was the last one", request: STOP, elapsedMs: 9000, idleMs: 5000, phase: ENDED },
    {
      name: "ends at once when a native sidecar's application has ended",
      ...{ request: ENDED_APPLICATION, elapsedMs: 9000, idleMs: 0, phase: ENDED },
    },
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
    {
      name: "after /quitquitquit is to drain, as at SIGTERM",
      request: ENDED_APPLICATION,
      elapsedMs: 4999,
      phase: DRAINING,
    },
    {
      name: "after /quitquitquit in a Job that no client has called ends at once",
      ...{ request: ENDED_APPLICATION, elapsedMs: 0, usage: { hasServed: false }, phase: ENDED },
    },
    {
      name: "after /quitquitquit in such a Job still waits for its connections",
      ...{ request: ENDED_APPLICATION, elapsedMs: 0, usage: { hasServed: false, outbound: 1 }, phase: OUTBOUND_ONLY },
    },
    {
      name: "at SIGTERM is to accept, even if no client has called yet",
      ...{ request: STOP, elapsedMs: 0, usage: { hasServed: false }, phase: DRAINING },
    },
  ])("$name", (given) => {
    expect(phaseOf(given)).toEqual(given.phase);
  });
});
