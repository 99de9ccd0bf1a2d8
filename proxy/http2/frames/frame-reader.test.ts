import { describe, expect, it } from "vitest";
import { dataFrame, pingFrame, rawFrame, settingsFrame, uint32 } from "./frame-fixture.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME } from "./frame-types.ts";

/** What a reader reported, as text; consecutive DATA pieces are joined. */
function readAll(chunks: readonly Buffer[], role: "client" | "server" = "client"): readonly string[] {
  const report: string[] = [];
  let content = "";
  const sink: FrameSink = {
    isReading: true,
    onDataStart: ({ streamId, flags, length }, dataBytes) => {
      report.push(`data ${streamId} ${flags} ${length} ${dataBytes}`);
    },
    onData: (_header, bytes, isLast) => {
      content += bytes.toString("latin1");
      if (isLast) report.push(`content ${content}`);
      if (isLast) content = "";
    },
    onFrame: ({ type, flags, streamId }, buffer, start, end) => {
      report.push(`frame ${type} ${flags} ${streamId} ${buffer.toString("hex", start, end)}`);
    },
    onUnknownFrame: ({ type }) => {
      report.push(`unknown ${type}`);
    },
    onFault: ({ code }) => {
      report.push(`fault ${code}`);
    },
  };
  const reader = new FrameReader(sink, { role, maxFrameBytes: 16_384 });
  for (const chunk of chunks) reader.read(chunk);
  return report;
}

const { protocolError, frameSizeError } = ERROR_CODE;
const OPEN_HEADERS = rawFrame(FRAME.headers, 0, 1, "x");

describe("a frame that RFC 9113 forbids ends the connection with its code", () => {
  it.each([
    {
      name: "longer than SETTINGS_MAX_FRAME_SIZE",
      bytes: rawFrame(FRAME.data, 0, 1, Buffer.alloc(16_385)),
      code: frameSizeError,
    },
    {
      name: "an unknown type longer than that",
      bytes: rawFrame(0x42, 0, 1, Buffer.alloc(16_385)),
      code: frameSizeError,
    },
    { name: "DATA on stream 0", bytes: dataFrame(0, "x"), code: protocolError },
    {
      name: "DATA whose padding is longer than the frame",
      bytes: rawFrame(FRAME.data, FLAG.padded, 1, "\x03ab"),
      code: protocolError,
    },
    { name: "padded DATA without a padding length", bytes: rawFrame(FRAME.data, FLAG.padded, 1), code: frameSizeError },
    { name: "HEADERS on stream 0", bytes: rawFrame(FRAME.headers, FLAG.endHeaders, 0), code: protocolError },
    {
      name: "HEADERS shorter than its priority",
      bytes: rawFrame(FRAME.headers, FLAG.priority, 1, "1234"),
      code: frameSizeError,
    },
    { name: "PRIORITY on stream 0", bytes: rawFrame(FRAME.priority, 0, 0, "12345"), code: protocolError },
    { name: "RST_STREAM on stream 0", bytes: rawFrame(FRAME.rstStream, 0, 0, "1234"), code: protocolError },
    { name: "RST_STREAM of three bytes", bytes: rawFrame(FRAME.rstStream, 0, 1, "123"), code: frameSizeError },
    { name: "SETTINGS on a stream", bytes: rawFrame(FRAME.settings, 0, 1), code: protocolError },
    { name: "SETTINGS of seven bytes", bytes: rawFrame(FRAME.settings, 0, 0, "1234567"), code: frameSizeError },
    {
      name: "a SETTINGS acknowledgement with entries",
      bytes: rawFrame(FRAME.settings, FLAG.ack, 0, "123456"),
      code: frameSizeError,
    },
    { name: "PUSH_PROMISE", bytes: rawFrame(FRAME.pushPromise, FLAG.endHeaders, 1, uint32(2)), code: protocolError },
    { name: "PING on a stream", bytes: rawFrame(FRAME.ping, 0, 1, "12345678"), code: protocolError },
    { name: "PING of seven bytes", bytes: pingFrame("1234567"), code: frameSizeError },
    { name: "GOAWAY on a stream", bytes: rawFrame(FRAME.goaway, 0, 1, "12345678"), code: protocolError },
    { name: "GOAWAY of seven bytes", bytes: rawFrame(FRAME.goaway, 0, 0, "1234567"), code: frameSizeError },
    { name: "WINDOW_UPDATE of three bytes", bytes: rawFrame(FRAME.windowUpdate, 0, 1, "123"), code: frameSizeError },
    {
      name: "CONTINUATION without HEADERS",
      bytes: rawFrame(FRAME.continuation, FLAG.endHeaders, 1),
      code: protocolError,
    },
    {
      name: "DATA inside a header block",
      bytes: Buffer.concat([OPEN_HEADERS, dataFrame(1, "x")]),
      code: protocolError,
    },
    {
      name: "an unknown type inside a header block",
      bytes: Buffer.concat([OPEN_HEADERS, rawFrame(0x42, 0, 1)]),
      code: protocolError,
    },
    {
      name: "CONTINUATION of another stream",
      bytes: Buffer.concat([OPEN_HEADERS, rawFrame(FRAME.continuation, 4, 3)]),
      code: protocolError,
    },
  ])("$name", ({ bytes, code }) => {
    expect(readAll([Buffer.concat([bytes, pingFrame()])]).at(-1)).toBe(`fault ${code}`);
    const byteByByte = [...bytes].map((byte) => Buffer.from([byte]));
    expect(readAll(byteByByte).at(-1)).toBe(`fault ${code}`);
  });
});

describe("the frame reader", () => {
  it("judges a frame by its header, before the payload arrives", () => {
    expect(readAll([rawFrame(FRAME.ping, 0, 0, Buffer.alloc(9000)).subarray(0, 9)])).toEqual([
      `fault ${frameSizeError}`,
    ]);
  });

  it("skips frames of unknown types, with their payload", () => {
    expect(readAll([Buffer.concat([rawFrame(0x42, 0xff, 7, "abc"), pingFrame("abcdefgh")])])).toEqual([
      "unknown 66",
      `frame 6 0 0 ${Buffer.from("abcdefgh").toString("hex")}`,
    ]);
  });

  it("ignores the reserved bit of a stream's number", () => {
    expect(readAll([rawFrame(FRAME.data, 0, 0x80000003, "x")])).toEqual(["data 3 0 1 1", "content x"]);
  });

  it("takes padding away, and reports it in the frame's length", () => {
    expect(readAll([Buffer.concat([rawFrame(FRAME.data, FLAG.padded, 1, "\x02hello--"), pingFrame()])])).toEqual([
      "data 1 8 8 5",
      "content hello",
      `frame 6 0 0 ${Buffer.from("12345678").toString("hex")}`,
    ]);
  });

  it("delivers DATA as views of the received chunk", () => {
    const chunk = dataFrame(1, "hello");
    const pieces: Buffer[] = [];
    const sink: FrameSink = {
      isReading: true,
      onDataStart: () => {},
      onData: (_header, bytes) => {
        pieces.push(bytes);
      },
      onFrame: () => {},
      onUnknownFrame: () => {},
      onFault: () => {},
    };
    new FrameReader(sink, { role: "client", maxFrameBytes: 16_384 }).read(chunk);
    expect(pieces.map(({ buffer, byteOffset }) => [buffer === chunk.buffer, byteOffset - chunk.byteOffset])).toEqual([
      [true, 9],
    ]);
  });

  it.each([
    { name: "HTTP/1.1", bytes: Buffer.from("GET / HTTP/1.1\r\n\r\n") },
    { name: "a preface with one wrong byte", bytes: Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r") },
  ])("refuses $name as a preface", ({ bytes }) => {
    expect(readAll([bytes], "server")).toEqual([`fault ${protocolError}`]);
  });

  it("reads frames behind the preface", () => {
    expect(readAll([CLIENT_PREFACE, settingsFrame()], "server")).toEqual(["frame 4 0 0 "]);
  });
});
