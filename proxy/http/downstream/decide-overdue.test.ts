import { describe, expect, it } from "vitest";
import { HTTP_TIME_LIMITS as LIMITS } from "../http-limits.ts";
import { decideOverdue, type Overdue, type Waiting } from "./decide-overdue.ts";

const HEAD = { phase: "head", isIdle: false, isClosing: false, awaitsBody: false, isAnswerOut: true } as const;
const IDLE = { ...HEAD, isIdle: true } as const;
const BODY = { ...HEAD, phase: "exchange", awaitsBody: true } as const;
const LINGERING = { ...HEAD, phase: "lingering" } as const;

describe("decideOverdue", () => {
  it.each<{ name: string; waiting: Omit<Waiting, "waitedMs">; limitMs: number; overdue: Overdue }>([
    { name: "a head that is not whole", waiting: HEAD, limitMs: LIMITS.headTimeoutMs, overdue: "head_timeout" },
    { name: "a connection between requests", waiting: IDLE, limitMs: LIMITS.downstreamIdleMs, overdue: "leave" },
    { name: "a body that stops", waiting: BODY, limitMs: LIMITS.bodyIdleMs, overdue: "body_timeout" },
    { name: "a client that stays", waiting: LINGERING, limitMs: LIMITS.lingerMs, overdue: "close" },
    {
      name: "a client that does not read its last response",
      waiting: { ...LINGERING, isAnswerOut: false },
      limitMs: LIMITS.bodyIdleMs,
      overdue: "close",
    },
  ])("$name is ended at its time limit", ({ waiting, limitMs, overdue }) => {
    expect(decideOverdue({ ...waiting, waitedMs: limitMs - 1 }, LIMITS)).toBe("nothing");
    expect(decideOverdue({ ...waiting, waitedMs: limitMs }, LIMITS)).toBe(overdue);
  });

  it.each<{ name: string; waiting: Omit<Waiting, "waitedMs"> }>([
    { name: "an exchange that waits for its server", waiting: { ...BODY, awaitsBody: false } },
    { name: "a tunnel", waiting: { ...HEAD, phase: "tunnel" } },
    { name: "one that is over", waiting: { ...HEAD, phase: "over" } },
  ])("$name has no limit here", ({ waiting }) => {
    expect(decideOverdue({ ...waiting, waitedMs: Number.MAX_SAFE_INTEGER }, LIMITS)).toBe("nothing");
  });

  it("while the proxy closes, a connection between requests is closed at once, and one inside a request is not", () => {
    expect(decideOverdue({ ...IDLE, isClosing: true, waitedMs: 0 }, LIMITS)).toBe("leave");
    expect(decideOverdue({ ...HEAD, isClosing: true, waitedMs: 0 }, LIMITS)).toBe("nothing");
  });
});
