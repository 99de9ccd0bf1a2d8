import { describe, expect, it } from "vitest";
import { createAccessLog } from "./access-log.ts";
import { REQUEST_ENTRY } from "./access-log-fixture.ts";

function createLog(options: { readonly maxPendingBytes?: number } = {}) {
  const writes: string[] = [];
  const deferred: (() => void)[] = [];
  const state = { pendingBytes: 0, dropped: 0 };
  const log = createAccessLog((lines) => void writes.push(lines), {
    ...options,
    pendingBytes: () => state.pendingBytes,
    onDropped: () => {
      state.dropped += 1;
    },
    defer: (action) => void deferred.push(action),
  });
  const endTurn = (): void => {
    for (const action of deferred.splice(0)) action();
  };
  return { log, writes, state, endTurn, deferred };
}

function countLines(writes: readonly string[]): number {
  return writes.join("").split("\n").length - 1;
}

describe("entries", () => {
  it("of one turn are written together, in order", () => {
    const { log, writes, endTurn, deferred } = createLog();
    for (const path of ["/1", "/2", "/3"]) log.write({ ...REQUEST_ENTRY, path });
    expect(writes).toEqual([]);
    expect(deferred).toHaveLength(1);
    endTurn();
    expect(writes).toHaveLength(1);
    const paths = writes[0]
      ?.trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).path);
    expect(paths).toEqual(["/1", "/2", "/3"]);
  });

  it("of the next turn are written in the next turn", () => {
    const { log, writes, endTurn } = createLog();
    log.write(REQUEST_ENTRY);
    endTurn();
    log.write(REQUEST_ENTRY);
    endTurn();
    endTurn();
    expect(writes).toHaveLength(2);
  });

  it("are written before the turn's end if they are many", () => {
    const { log, writes, endTurn } = createLog();
    for (let index = 0; index < 300; index += 1) log.write(REQUEST_ENTRY);
    expect(writes.length).toBeGreaterThan(0);
    for (const lines of writes) {
      expect(lines.length).toBeLessThan(70_000);
      expect(lines.endsWith("\n")).toBe(true);
    }
    endTurn();
    expect(countLines(writes)).toBe(300);
  });

  it("are written at a flush, once", () => {
    const { log, writes, endTurn } = createLog();
    log.write(REQUEST_ENTRY);
    log.flush();
    log.flush();
    endTurn();
    expect(writes).toHaveLength(1);
  });

  it("wait only for the event loop, by default", async () => {
    const writes: string[] = [];
    const log = createAccessLog((lines) => void writes.push(lines), {
      pendingBytes: () => 0,
      onDropped: () => undefined,
    });
    log.write(REQUEST_ENTRY);
    await Promise.resolve();
    expect(writes).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toHaveLength(1);
  });
});

describe("a reader that does not keep up", () => {
  it("loses entries, each of which is counted, until it has read", () => {
    const { log, writes, state, endTurn } = createLog({ maxPendingBytes: 1000 });
    state.pendingBytes = 1001;
    for (let index = 0; index < 10; index += 1) log.write(REQUEST_ENTRY);
    endTurn();
    expect({ writes, dropped: state.dropped }).toEqual({ writes: [], dropped: 10 });
    state.pendingBytes = 0;
    log.write(REQUEST_ENTRY);
    endTurn();
    expect(countLines(writes)).toBe(1);
    expect(state.dropped).toBe(10);
  });

  it("costs no more memory than the limit and a batch", () => {
    const { log, writes, state, endTurn } = createLog({ maxPendingBytes: 100_000 });
    for (let turn = 0; turn < 50; turn += 1) {
      for (let index = 0; index < 20; index += 1) log.write({ ...REQUEST_ENTRY, path: "/".repeat(5000) });
      endTurn();
      state.pendingBytes = writes.reduce((sum, lines) => sum + lines.length, 0);
    }
    expect(state.pendingBytes).toBeLessThan(100_000 + 70_000);
    expect(countLines(writes) + state.dropped).toBe(1000);
  });

  it("is not written for either, when the limit is less than a batch", () => {
    const { log, writes, state, endTurn } = createLog({ maxPendingBytes: 1000 });
    for (let index = 0; index < 10; index += 1) log.write(REQUEST_ENTRY);
    endTurn();
    expect(state.dropped).toBeGreaterThan(5);
    expect(countLines(writes)).toBe(10 - state.dropped);
  });

  it("that has disconnected loses all", () => {
    const { log, writes, state, endTurn } = createLog();
    state.pendingBytes = Number.POSITIVE_INFINITY;
    log.write(REQUEST_ENTRY);
    endTurn();
    expect({ writes, dropped: state.dropped }).toEqual({ writes: [], dropped: 1 });
  });
});
