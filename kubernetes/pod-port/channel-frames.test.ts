import { describe, expect, it } from "vitest";
import { ChannelDecoder, encodeData } from "./channel-frames.ts";

const frame = (channel: number, ...bytes: readonly number[]) => Buffer.from([channel, ...bytes]);

function decode(...frames: readonly Buffer[]) {
  const decoder = new ChannelDecoder();
  return frames.flatMap((one) => decoder.push(one));
}

describe("the frames of a forwarded port", () => {
  it.each([
    { name: "in a frame of its own", frames: [frame(0, 0x98, 0x3a), frame(0, 1, 2)] },
    { name: "before data", frames: [frame(0, 0x98, 0x3a, 1, 2)] },
    { name: "in two frames", frames: [frame(0, 0x98), frame(0, 0x3a, 1, 2)] },
  ])("carry data after the port number $name", ({ frames }) => {
    expect(decode(...frames)).toEqual([{ kind: "data", bytes: Buffer.from([1, 2]) }]);
  });

  it("carry the kubelet's error on a channel of its own", () => {
    const text = Buffer.from("no such pod");
    expect(decode(frame(1, 0x98, 0x3a), frame(1, ...text))).toEqual([{ kind: "error", message: "no such pod" }]);
  });

  it.each([{ bytes: Buffer.alloc(0) }, { bytes: frame(2, 1) }, { bytes: frame(255) }])(
    "are malformed without a known channel: $bytes",
    ({ bytes }) => {
      expect(decode(bytes)).toMatchObject([{ kind: "malformed" }]);
    },
  );

  it("of the client begin with the data channel", () => {
    expect(encodeData(Buffer.from("x"))).toEqual(Buffer.from("\0x"));
  });
});
