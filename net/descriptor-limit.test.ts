import { describe, expect, it } from "vitest";
import { decideServerConnections, parseDescriptorLimit, readDescriptorLimit } from "./descriptor-limit.ts";

const LINES = ["Limit                     Soft Limit           Hard Limit           Units     "];

describe("the limit of open descriptors", () => {
  it.each([
    {
      name: "a number",
      line: "Max open files            450                  4096                 files     ",
      limit: 450,
    },
    {
      name: "none",
      line: "Max open files            unlimited            unlimited            files     ",
      limit: 1_048_576,
    },
    { name: "text that has no such line", line: "Max processes 5 5 processes", limit: 1024 },
    { name: "a line that is not a number", line: "Max open files ? ? files", limit: 1024 },
  ])("is read from the kernel's table: $name", ({ line, limit }) => {
    expect(parseDescriptorLimit([...LINES, line].join("\n"))).toBe(limit);
  });

  it.each([
    { wanted: 20_000, maxDescriptors: 1_048_576, connections: 20_000 },
    { wanted: 20_000, maxDescriptors: 1024, connections: 720 },
    { wanted: 512, maxDescriptors: 256, connections: 144 },
    { wanted: 512, maxDescriptors: 20, connections: 8 },
  ])("leaves a server that wants $wanted of $maxDescriptors", ({ wanted, maxDescriptors, connections }) => {
    expect(decideServerConnections(wanted, maxDescriptors)).toBe(connections);
  });

  it("is known of this process", () => {
    expect(readDescriptorLimit()).toBeGreaterThan(0);
  });
});
