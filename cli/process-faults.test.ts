import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { watchProcess } from "./process-faults.ts";

/** A process that records its end. */
function watch(command: string | undefined) {
  const exits: number[] = [];
  const streams = { stdout: new EventEmitter(), stderr: new EventEmitter() };
  const watched = Object.assign(new EventEmitter(), streams, { exit: (status: number) => exits.push(status) });
  const log = new RecordingLogger();
  let printed = "";
  watchProcess(watched, {
    command,
    log,
    stderr: (text) => {
      printed += text;
    },
  });
  return { watched, exits, log, printed: () => printed };
}

describe("an exception that nothing has caught", () => {
  it("is one line for a user, without a stack trace", () => {
    const { watched, exits, printed, log } = watch("check");
    watched.emit("uncaughtException", new Error("broken"));
    expect([printed(), exits]).toEqual(["entente check: unexpected: broken\n", [1]]);
    expect(log.records.filter(({ level }) => level !== "debug")).toEqual([]);
  });

  it("is logged with its place by a program of a container", () => {
    const { watched, exits, printed, log } = watch("proxy");
    watched.emit("uncaughtException", new Error("broken"));
    expect([printed(), exits]).toEqual(["", [1]]);
    expect(log.records).toMatchObject([
      { level: "error", fields: { stack: expect.stringContaining("process-faults") } },
    ]);
  });
});

describe("an output stream", () => {
  it("may end early, and any other failure is a fault", () => {
    const { watched } = watch("check");
    watched.stdout.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    expect(() => watched.stdout.emit("error", new Error("disk full"))).toThrow("disk full");
  });
});
