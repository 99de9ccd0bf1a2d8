import { describe, expect, it } from "vitest";
import { formatFrame, formatPcap } from "./pcap-fixture.ts";
import { assembleStreams, parsePcap, type TcpSegment } from "./pcap-reader.ts";

function segment(sequence: number, text: string, isSyn = false): TcpSegment {
  return { source: "10.0.0.1:1", destination: "10.0.0.2:2", sequence, isSyn, payload: Buffer.from(text) };
}

describe("parsePcap", () => {
  it("reads addresses, ports and payload of TCP over IPv4, without the padding of short frames", () => {
    const frame = formatFrame({ sequence: 7, payload: "GET /" });
    const [read, ...others] = parsePcap(formatPcap([Buffer.concat([frame, Buffer.alloc(6)])]));
    expect(others).toEqual([]);
    expect(read).toEqual({
      source: "10.1.2.3:40000",
      destination: "10.1.2.4:8080",
      sequence: 7,
      isSyn: false,
      payload: Buffer.from("GET /"),
    });
  });

  it("passes over what is not TCP over IPv4", () => {
    const arp = Buffer.alloc(60);
    arp.writeUInt16BE(0x0806, 12);
    expect(parsePcap(formatPcap([arp, formatFrame({ sequence: 1, payload: "x" })]))).toHaveLength(1);
  });

  it("leaves out a last packet that is still being written", () => {
    const file = formatPcap([
      formatFrame({ sequence: 1, payload: "one" }),
      formatFrame({ sequence: 4, payload: "two" }),
    ]);
    expect(parsePcap(file.subarray(0, file.length - 1))).toHaveLength(1);
  });

  it.each([
    { name: "an empty file", file: Buffer.alloc(0) },
    { name: "something else", file: Buffer.alloc(64, "x") },
  ])("says that $name is no capture", ({ file }) => {
    expect(() => parsePcap(file)).toThrow(/capture/);
  });
});

describe("assembleStreams", () => {
  it.each([
    { name: "in order", segments: [segment(9, "", true), segment(10, "ab"), segment(12, "cd")], whole: true },
    { name: "out of order", segments: [segment(9, "", true), segment(12, "cd"), segment(10, "ab")], whole: true },
    { name: "sent twice", segments: [segment(9, "", true), segment(10, "ab"), segment(10, "abcd")], whole: true },
    { name: "begun before the capture", segments: [segment(10, "ab"), segment(12, "cd")], whole: false },
    {
      name: "over the end of the sequence numbers",
      segments: [segment(0xfffffffe, "", true), segment(0xffffffff, "ab"), segment(1, "cd")],
      whole: true,
    },
  ])("puts a stream together: $name", ({ segments, whole }) => {
    const [stream] = assembleStreams(segments);
    expect({ text: stream?.bytes.toString(), isWhole: stream?.isWhole }).toEqual({ text: "abcd", isWhole: whole });
  });

  it("does not call a stream with a gap whole", () => {
    expect(assembleStreams([segment(9, "", true), segment(11, "b")])[0]?.isWhole).toBe(false);
  });
});
