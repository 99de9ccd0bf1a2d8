import { describe, expect, it } from "vitest";
import { judgeChanges } from "./judge-changes.ts";
import type { PodReplaced } from "./messages.ts";

function replaced(version: string, service: number, atMs: number): PodReplaced {
  return { kind: "replaced", version, service, atMs };
}

const usersOf = (service: number): number => (service === 0 ? 0 : 2);

describe("the time of a change", () => {
  it("ends when the last sidecar that uses the service has seen it, in whichever process", () => {
    const reports = [
      [{ version: "a", count: 1, lastMs: 110 }],
      [
        { version: "a", count: 1, lastMs: 150 },
        { version: "b", count: 2, lastMs: 210 },
      ],
    ];
    expect(judgeChanges([replaced("a", 1, 100), replaced("b", 2, 200)], reports, usersOf)).toEqual({
      count: 2,
      incomplete: 0,
      p50Ms: 10,
      p99Ms: 50,
      maxMs: 50,
    });
  });

  it("counts as incomplete if not all have seen it, and not at all if nobody uses the service", () => {
    const reports = [[{ version: "a", count: 1, lastMs: 110 }]];
    const changes = [replaced("a", 1, 100), replaced("unseen", 1, 100), replaced("unused", 0, 100)];
    expect(judgeChanges(changes, reports, usersOf)).toMatchObject({ count: 2, incomplete: 2, p99Ms: Number.NaN });
  });
});
