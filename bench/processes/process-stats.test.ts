import { spawn } from "node:child_process";
import { once } from "node:events";
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
  });

  it("is read from the status as well", () => {
    expect(parseResidentMb("Name:\tnode\nVmPeak:\t  900000 kB\nVmRSS:\t   81920 kB\nRssAnon:\t 1 kB\n")).toBe(80);
  });

  it("is what the process says of itself", async () => {
    const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: ["pipe", "pipe", "inherit"] });
    const [said] = await once(child.stdout, "data");
    const ownMb = Number(String(said)) / 2 ** 20;
    const { pid = 0 } = child;
    const seen = [readMemory(pid).residentMb, readResidentMb(pid), readPeakMb(pid)];
    child.stdin.end();
    for (const residentMb of seen) expect(Math.abs(residentMb - ownMb)).toBeLessThan(30);
  });
});

/** Prints its resident memory in bytes, and ends with its input. */
const PROGRAM = "console.log(process.memoryUsage().rss); process.stdin.resume();";
