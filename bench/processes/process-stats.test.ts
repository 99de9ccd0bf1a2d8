import { describe, expect, it } from "vitest";
import {
  parseCpuMs,
  parseMemory,
  parsePeakMb,
  parseResidentMb,
  readCpuMs,
  readMemory,
  readPeakMb,
  readResidentMb,
} from "./process-stats.ts";

const AFTER_NAME = "S 1 42 42 0 -1 4194560 2103 0 12 0 150 25 7 9 20 0 11 0 3000 1180979200 12345";

describe("CPU time of a process", () => {
  it.each([
    { name: "of a plain name", stat: `42 (node) ${AFTER_NAME}` },
    { name: "of a name with spaces and parentheses", stat: `42 (a) b (c d) ${AFTER_NAME}` },
  ])("is user and system time in ticks of 10 ms, $name", ({ stat }) => {
    expect(parseCpuMs(stat)).toBe(1750);
  });

  it("grows while this process works", () => {
    const before = readCpuMs(process.pid);
    const endMs = performance.now() + 60;
    while (performance.now() < endMs) Math.sqrt(endMs);
    expect(readCpuMs(process.pid)).toBeGreaterThan(before);
  });
});

describe("memory of a process", () => {
  const ROLLUP = [
    "00400000-7ffd000 ---p 00000000 00:00 0    [rollup]",
    "Rss:               81920 kB",
    "Pss:               50000 kB",
    "Shared_Clean:      40960 kB",
    "Private_Clean:      1024 kB",
    "Private_Dirty:     35840 kB",
  ].join("\n");

  it("is private where no other process shares it, clean or dirty", () => {
    expect(parseMemory(ROLLUP)).toEqual({ residentMb: 80, privateMb: 36 });
  });

  it("has a peak, which the status names", () => {
    expect(parsePeakMb("VmPeak:\t  900000 kB\nVmHWM:\t   92160 kB\nVmRSS:\t   81920 kB\n")).toBe(90);
    expect(readPeakMb(process.pid)).toBeGreaterThanOrEqual(readResidentMb(process.pid) - 1);
  });

  it("is read from the status as well", () => {
    expect(parseResidentMb("Name:\tnode\nVmPeak:\t  900000 kB\nVmRSS:\t   81920 kB\nRssAnon:\t 1 kB\n")).toBe(80);
  });

  it("of this process is what it says of itself", () => {
    const own = process.memoryUsage().rss / 2 ** 20;
    expect(Math.abs(readMemory(process.pid).residentMb - own)).toBeLessThan(30);
    expect(Math.abs(readResidentMb(process.pid) - own)).toBeLessThan(30);
  });
});
