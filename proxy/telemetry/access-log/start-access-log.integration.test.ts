import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Logger, systemClock } from "../../../mesh/runtime.ts";
import { REQUEST_ENTRY } from "./access-log-fixture.ts";
import { makePipe } from "./pipe-fixture.ts";
import { startAccessLog } from "./start-access-log.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-access-log-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function start(file: string) {
  const told: string[] = [];
  const counts = { dropped: 0 };
  const tell = (_fields: unknown, message: string): void => void told.push(message);
  const log: Logger = { debug: tell, info: tell, warn: tell, error: tell, child: () => log };
  const metrics = {
    accessLogDropped: () => {
      counts.dropped += 1;
    },
  };
  return { accessLog: startAccessLog({ file, clock: systemClock, log, metrics }), told, counts };
}

/** A named pipe, and its reading end. */
function createPipe(): { readonly file: string; readonly reader: number } {
  const file = makePipe(folder);
  return { file, reader: openSync(file, constants.O_RDONLY | constants.O_NONBLOCK) };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe("a file", () => {
  it("is appended to, and complete after the end", async () => {
    const file = join(folder, "access.log");
    for (const path of ["/1", "/2"]) {
      const { accessLog } = start(file);
      accessLog.write({ ...REQUEST_ENTRY, path });
      await accessLog.close();
    }
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).path)).toEqual(["/1", "/2"]);
  });

  it("that cannot be opened is reported with the setting's name", () => {
    expect(() => start(join(folder, "none", "access.log"))).toThrow(/ENTENTE_ACCESS_LOG.*none\/access\.log/);
  });

  it("that cannot be written loses only the entries", async () => {
    const { accessLog, told, counts } = start("/dev/full");
    accessLog.write(REQUEST_ENTRY);
    await expect.poll(() => told).toEqual(["the access log can no longer be written"]);
    accessLog.write(REQUEST_ENTRY);
    expect(counts.dropped).toBe(1);
    await accessLog.close();
  });
});

describe("a pipe", () => {
  it("whose reader is stuck loses entries and blocks nothing", async () => {
    const { file, reader } = createPipe();
    const { accessLog, counts } = start(file);
    for (let turn = 0; turn < 400; turn += 1) {
      for (let index = 0; index < 10; index += 1) accessLog.write(REQUEST_ENTRY);
      await turns(1);
    }
    expect(counts.dropped).toBeGreaterThan(0);
    let text = "";
    const chunk = Buffer.alloc(1 << 20);
    await expect
      .poll(() => {
        text += chunk.toString("latin1", 0, readAvailable(reader, chunk));
        return text.split("\n").length - 1 + counts.dropped;
      })
      .toBe(4000);
    expect(() =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).not.toThrow();
    const droppedBefore = counts.dropped;
    accessLog.write(REQUEST_ENTRY);
    expect(counts.dropped).toBe(droppedBefore);
    await accessLog.close();
    closeSync(reader);
  });

  it("whose reader has disconnected loses entries, which is reported once", async () => {
    const { file, reader } = createPipe();
    const { accessLog, told, counts } = start(file);
    closeSync(reader);
    accessLog.write(REQUEST_ENTRY);
    await expect.poll(() => told).toEqual(["the access log can no longer be written"]);
    accessLog.write(REQUEST_ENTRY);
    expect(counts.dropped).toBe(1);
    await accessLog.close();
  });
});

/** Bytes read, 0 if there are none now. */
function readAvailable(fd: number, into: Buffer): number {
  try {
    return readSync(fd, into);
  } catch {
    return 0;
  }
}
