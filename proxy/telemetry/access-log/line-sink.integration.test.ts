import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makePipe } from "./pipe-fixture.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-line-sink-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const moduleUrl = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);

/**
 * Writes lines to its standard output through a sink, and other lines directly before and after; reports on standard
 * error.
 */
const PROGRAM = `
  import { openLineSink } from ${moduleUrl("./line-sink.ts")};
  import { systemClock } from ${moduleUrl("../../../mesh/runtime.ts")};
  import { readFileSync, readlinkSync, writeSync } from "node:fs";
  const { FIRST, LINES, LAST } = process.env;
  const sink = openLineSink({ file: "/dev/stdout", clock: systemClock, onFailure: () => undefined });
  if (FIRST) writeSync(1, "first\\n");
  for (let index = 0; index < Number(LINES); index += 1) sink.write("line ".repeat(20) + "\\n");
  await new Promise((resolve) => setImmediate(resolve));
  const [flags] = /(?<=flags:\\s+)[0-7]+/.exec(readFileSync("/proc/self/fdinfo/1", "utf8")) ?? [];
  const report = { pending: sink.pendingBytes(), isBlocking: (Number.parseInt(flags, 8) & 0o4000) === 0 };
  await sink.close(100);
  if (LAST) writeSync(1, "last\\n");
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  process.stderr.write(JSON.stringify({ ...report, output: readlinkSync("/proc/self/fd/1") }));
`;

function run(stdout: number | "pipe", env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", PROGRAM], {
    stdio: ["ignore", stdout, "pipe"],
    env: { ...env },
  });
  const ended = once(child, "exit");
  return { child, ended, report: async () => JSON.parse(await text(child.stderr ?? Readable.from([]))) };
}

function createPipe(): number {
  return openSync(makePipe(folder), constants.O_RDWR);
}

describe("the process's own output", () => {
  it("as a file accepts lines between those of others, and stays open", async () => {
    const file = join(folder, "out");
    const fd = openSync(file, "w");
    const { ended } = run(fd, { FIRST: "yes", LINES: "3", LAST: "yes" });
    expect(await ended).toEqual([0, null]);
    closeSync(fd);
    expect(readFileSync(file, "utf8")).toMatch(/^first\n(?:(?:line ){20}\n){3}last\n$/);
  });

  it("as a socket stays open for others", async () => {
    const { child, ended } = run("pipe", { FIRST: "yes", LINES: "3", LAST: "yes" });
    expect(await text(child.stdout ?? Readable.from([]))).toMatch(/^first\n(?:(?:line ){20}\n){3}last\n$/);
    expect(await ended).toEqual([0, null]);
  });

  it("as a file that is full stays open, so that its descriptor is not reused", async () => {
    const fd = openSync("/dev/full", "w");
    const { ended, report } = run(fd, { LINES: "3" });
    expect((await report()).output).toBe("/dev/full");
    await ended;
    closeSync(fd);
  });

  it("as a pipe still blocks direct writers", async () => {
    const fd = createPipe();
    const { ended, report } = run(fd, { LINES: "10000" });
    const { isBlocking, pending } = await report();
    expect(isBlocking).toBe(true);
    expect(pending).toBeGreaterThan(100_000);
    await ended;
    closeSync(fd);
  });

  it.each([{ name: "pipe" }, { name: "socket" }])(
    "as a $name without a reader does not keep the process from exiting",
    async ({ name }) => {
      const fd = name === "pipe" ? createPipe() : undefined;
      const { ended, child, report } = run(fd ?? "pipe", { LINES: "20000" });
      expect((await report()).pending).toBeGreaterThan(100_000);
      expect(await ended).toEqual([0, null]);
      child.stdout?.destroy();
      if (fd !== undefined) closeSync(fd);
    },
  );
});
