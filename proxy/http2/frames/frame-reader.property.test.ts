import fc from "fast-check";
import { expect, it } from "vitest";
import { rawFrame } from "./frame-fixture.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { CLIENT_PREFACE, DEFAULT_MAX_FRAME_BYTES } from "./frame-types.ts";

/** The calls of a reader, with the pieces of each DATA frame joined. */
function report(chunks: readonly Buffer[], role: "client" | "server"): readonly unknown[] {
  const calls: unknown[] = [];
  let content: Buffer[] = [];
  const sink: FrameSink = {
    isReading: true,
    onDataStart: (header, dataBytes) => {
      calls.push({ ...header, dataBytes });
    },
    onData: (header, bytes, isLast) => {
      content.push(bytes);
      if (!isLast) return;
      calls.push({ ...header, content: Buffer.concat(content).toString("hex") });
      content = [];
    },
    onFrame: (header, buffer, start, end) => {
      calls.push({ ...header, payload: buffer.toString("hex", start, end) });
    },
    onUnknownFrame: (header) => {
      calls.push({ ...header, kind: "unknown" });
    },
    onFault: (fault) => {
      calls.push(fault);
    },
  };
  const reader = new FrameReader(sink, { role, maxFrameBytes: DEFAULT_MAX_FRAME_BYTES });
  for (const chunk of chunks) reader.read(chunk);
  return calls;
}

const FRAMES = fc
  .array(
    fc.record({
      type: fc.integer({ min: 0, max: 11 }),
      flags: fc.constantFrom(0, 1, 4, 5, 8, 0x0c, 0x20, 0x2d, 0xff),
      id: fc.constantFrom(0, 1, 2, 3, 0x7fffffff),
      payload: fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.constantFrom(4, 8, 12).map((size) => new Uint8Array(size)),
      ),
    }),
    { maxLength: 12 },
  )
  .map((frames) =>
    Buffer.concat(frames.map(({ type, flags, id, payload }) => rawFrame(type, flags, id, Buffer.from(payload)))),
  );

function cut(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (bytes.length + 1)))].sort((one, other) => one - other);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

it("reports the same frames for every split of the bytes", () => {
  fc.assert(
    fc.property(FRAMES, fc.array(fc.nat(), { maxLength: 20 }), (bytes, cuts) => {
      expect(report(cut(bytes, cuts), "client")).toEqual(report([bytes], "client"));
    }),
    { numRuns: 500 },
  );
});

it("never throws on arbitrary bytes, with or without a preface", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, hasPreface) => {
      const chunks = hasPreface ? [CLIENT_PREFACE, Buffer.from(bytes)] : [Buffer.from(bytes)];
      expect(() => report(chunks, "server")).not.toThrow();
    }),
    { numRuns: 500 },
  );
});
