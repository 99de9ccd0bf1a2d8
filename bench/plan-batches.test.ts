import { describe, expect, it } from "vitest";
import type { PathKind, PathName } from "./paths/path.ts";
import { type Batch, planBatches } from "./plan-batches.ts";

const kind = (name: PathName): PathKind => ({
  name,
  title: name,
  hops: name === "haproxy" ? { "http/1.1": "http/1.1" } : { "http/1.1": "http/1.1", h2: "h2" },
  program: undefined,
  start: () => Promise.reject(new Error("not started here")),
});
const PATHS = [kind("none"), kind("entente-http"), kind("haproxy")];

function orderOf({ turns }: Batch): string {
  return turns.map(({ round, pathName }) => `${round}:${pathName}`).join(" ");
}

describe("the plan of a workload", () => {
  it("gives every path one turn a round, every second round backwards", () => {
    const batches = planBatches({ paths: PATHS, rounds: 3, workload: { application: "http/1.1" } });
    expect(batches.map(orderOf)).toEqual([
      "1:none 1:entente-http 1:haproxy 2:haproxy 2:entente-http 2:none 3:none 3:entente-http 3:haproxy",
    ]);
  });

  it("leaves out the path without proxies where the mesh port itself is spoken to", () => {
    const [batch] = planBatches({ paths: PATHS, rounds: 1, workload: { application: "http/1.1", needsMesh: true } });
    expect(batch?.paths.map(({ name }) => name)).toEqual(["entente-http", "haproxy"]);
    expect(batch === undefined ? "" : orderOf(batch)).toBe("1:entente-http 1:haproxy");
  });

  it("starts new processes for each round where memory is asked for", () => {
    const batches = planBatches({ paths: PATHS, rounds: 2, workload: { application: "http/1.1", startsAfresh: true } });
    expect(batches.map(orderOf)).toEqual(["1:none 1:entente-http 1:haproxy", "2:haproxy 2:entente-http 2:none"]);
  });

  it.each([
    {
      name: "paths that cannot carry its protocol",
      workload: { application: "h2" } as const,
      expected: "none entente-http",
    },
    {
      name: "paths that would tell nothing new",
      workload: { application: "http/1.1", leavesOut: ["none"] } as const,
      expected: "entente-http haproxy",
    },
  ])("leaves out $name", ({ workload, expected }) => {
    const [batch] = planBatches({ paths: PATHS, rounds: 1, workload });
    expect(batch?.paths.map(({ name }) => name).join(" ")).toBe(expected);
    expect(batch?.turns.map(({ pathName }) => pathName).join(" ")).toBe(expected);
  });
});
