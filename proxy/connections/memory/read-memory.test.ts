import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { asSocket } from "../fake-socket-fixture.ts";
import { keepMemory, lendMemory, returnMemory, writeLent } from "./read-memory.ts";
import { DeferredSocket, readOf } from "./read-memory-fixture.ts";

function readBytes(length = 65_536): Buffer {
  return readOf(Buffer.alloc(length, "x"));
}

describe("the memory of a large read", () => {
  it("is freed when the last of it is given back, in any order and parts, and not before", () => {
    const chunk = readBytes();
    lendMemory(chunk, 60_000);
    returnMemory(chunk.subarray(50_000, 60_000));
    returnMemory(chunk.subarray(0, 49_999));
    expect(chunk.length).toBe(65_536);
    returnMemory(chunk.subarray(49_999, 50_000));
    expect(chunk.length).toBe(0);
  });

  it.each([
    { name: "is smaller than 8 KB", chunk: () => readBytes(8191) },
    { name: "is a view of memory that holds more", chunk: () => readBytes().subarray(1) },
    { name: "comes from Node's pool", chunk: () => Buffer.from("x".repeat(1000)) },
  ])("is never freed if it $name", ({ chunk }) => {
    const bytes = chunk();
    const { length } = bytes;
    lendMemory(bytes, length);
    returnMemory(bytes);
    expect(bytes.length).toBe(length);
  });

  it("is never freed if it may be read again", () => {
    const chunk = readBytes();
    lendMemory(chunk, chunk.length);
    keepMemory(chunk.subarray(5, 6));
    returnMemory(chunk);
    expect(chunk.length).toBe(65_536);
  });

  it("is never freed if it is lent twice, or if more comes back than was lent", () => {
    const [twice, more] = [readBytes(), readBytes()];
    for (let time = 0; time < 2; time += 1) lendMemory(twice, twice.length);
    returnMemory(twice);
    lendMemory(more, 10_000);
    returnMemory(more.subarray(0, 9999));
    returnMemory(more.subarray(0, 9999));
    returnMemory(more.subarray(0, 2));
    expect([twice.length, more.length]).toEqual([65_536, 65_536]);
  });

  it("is not freed before it is written, although the socket has taken it", async () => {
    const socket = new DeferredSocket();
    const chunk = readBytes();
    lendMemory(chunk, chunk.length);
    expect(writeLent(asSocket(socket), [chunk.subarray(0, 30_000), "text", chunk.subarray(30_000)])).toBe(false);
    expect(chunk.length).toBe(65_536);
    const drained = once(socket, "drain");
    while (socket.complete()) expect(socket.wasCorrupted).toBe(false);
    await drained;
    expect(chunk.length).toBe(0);
    expect(socket.received.length).toBe(65_540);
  });

  it("is not freed if writing fails: it is not known what is still read", async () => {
    const socket = new DeferredSocket();
    const chunk = readBytes();
    lendMemory(chunk, chunk.length);
    writeLent(asSocket(socket), [chunk]);
    const failed = once(socket, "error");
    socket.complete(new Error("reset"));
    await failed;
    expect(chunk.length).toBe(65_536);
  });
});
