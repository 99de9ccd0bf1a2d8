import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asSocket, FakeSocket } from "../connections/fake-socket-fixture.ts";
import { PacketWriter } from "./packet-writer.ts";

const JOINED_BYTES = 4096;

function write(pieces: readonly (string | Buffer)[], socket = new FakeSocket()): FakeSocket {
  const writer = new PacketWriter();
  for (const piece of pieces) writer.add(piece);
  writer.flush(asSocket(socket));
  return socket;
}

describe("what belongs together", () => {
  it.each([
    { name: "a head alone", pieces: ["HTTP/1.1 200 OK\r\n\r\n"] },
    { name: "a head and a little content", pieces: ["head", Buffer.from("content"), Buffer.from("more")] },
    { name: "as much as is joined", pieces: ["h", Buffer.alloc(JOINED_BYTES - 1, "x")] },
    { name: "a head and large content", pieces: ["head", Buffer.alloc(100_000, "x")] },
    { name: "large content in pieces", pieces: [Buffer.alloc(5000, "x"), Buffer.alloc(5000, "y"), "tail"] },
    { name: "a large head", pieces: ["h".repeat(50_000)] },
  ])("leaves as one packet: $name", ({ pieces }) => {
    const { packets, written } = write(pieces);
    expect(packets).toHaveLength(1);
    expect(written).toBe(pieces.map((piece) => piece.toString()).join(""));
  });

  it("keeps every byte of latin1", () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("latin1");
    expect(write([every, Buffer.from(every, "latin1")]).written).toBe(every + every);
    expect(write([every.repeat(30)]).written).toBe(every.repeat(30));
  });

  it("is counted until it is written, and written once", () => {
    const socket = new FakeSocket();
    const writer = new PacketWriter();
    writer.add("head");
    writer.add(Buffer.from("content"));
    expect([writer.bytes, socket.packets.length]).toEqual([11, 0]);
    writer.flush(asSocket(socket));
    writer.flush(asSocket(socket));
    expect([writer.bytes, socket.packets.length]).toEqual([0, 1]);
  });

  it("is not copied if it is large, or alone", () => {
    const [small, large] = [Buffer.from("small"), Buffer.alloc(JOINED_BYTES + 1)];
    expect(write([small]).chunks[0]).toBe(small);
    expect(write(["head", large]).chunks[1]).toBe(large);
  });

  it("leaves as the packet that it came in, if the caller has it", () => {
    const socket = new FakeSocket();
    const writer = new PacketWriter();
    const packet = Buffer.from("head and content");
    writer.add("head and ");
    writer.add(packet.subarray(9));
    writer.flush(asSocket(socket), packet);
    expect(socket.chunks[0]).toBe(packet);
    expect(writer.bytes).toBe(0);
  });

  it("of nothing writes no packet, and applies no backpressure", () => {
    const socket = new FakeSocket({ isStuck: true });
    expect(new PacketWriter().flush(asSocket(socket), Buffer.from("stale"))).toBe(true);
    expect(socket.packets).toEqual([]);
  });

  it.each([
    { name: "one small packet", pieces: ["head"] },
    { name: "large content after a head", pieces: ["head", Buffer.alloc(10_000)] },
  ])("returns whether the socket has room: $name", ({ pieces }) => {
    for (const isStuck of [true, false]) {
      const writer = new PacketWriter();
      for (const piece of pieces) writer.add(piece);
      expect(writer.flush(asSocket(new FakeSocket({ isStuck })))).toBe(!isStuck);
    }
  });

  it("arrives byte for byte and in order, whatever the pieces", () => {
    const piece = fc.oneof(
      fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), minLength: 1 }),
      fc.integer({ min: 1, max: 6000 }).map((length) => Buffer.alloc(length, length % 251)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const whole = pieces.map((part) => (typeof part === "string" ? part : part.toString("latin1"))).join("");
        const { packets, written } = write(pieces);
        expect(written === whole).toBe(true);
        expect(packets).toHaveLength(whole === "" ? 0 : 1);
      }),
    );
  });
});
