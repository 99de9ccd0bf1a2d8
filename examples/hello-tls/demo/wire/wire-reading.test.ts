import { describe, expect, it } from "vitest";
import type { TcpStream } from "./pcap-reader.ts";
import { readWire } from "./wire-reading.ts";

function stream(bytes: Buffer, isWhole = true): TcpStream {
  return { source: "a:1", destination: "b:2", isWhole, bytes };
}

function record(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3, body.length >> 8, body.length & 0xff]), body]);
}

const HELLO = record(22, Buffer.concat([Buffer.from([1, 0, 0, 9]), Buffer.from("world.ns2")]));
const SECRET = record(23, Buffer.from("\u0001\u0002\u0003"));
const CLEAR = Buffer.from("GET / HTTP/1.1\r\nHost: world.ns2\r\n\r\n");

describe("readWire", () => {
  it("does not count the server name of a ClientHello as leaked", () => {
    const reading = readWire([stream(Buffer.concat([HELLO, SECRET]))], ["GET", "world"]);
    expect(reading).toMatchObject({ tlsStreams: 1, otherStreams: 0, tlsRecords: 2 });
    expect([...reading.found]).toEqual([]);
  });

  it.each([
    { name: "that begins between SYN and ClientHello", rest: SECRET },
    { name: "that lost a packet", rest: Buffer.concat([SECRET, Buffer.from("\u0009\u0009\u0009\u0009\u0009\u0009")]) },
  ])("nor does it in a capture $name", ({ rest }) => {
    const reading = readWire([stream(Buffer.concat([HELLO, rest]), false)], ["GET", "world"]);
    expect([...reading.found]).toEqual([]);
    const leaking = Buffer.concat([HELLO, rest, Buffer.from("world")]);
    expect([...readWire([stream(leaking, false)], ["world"]).found]).toEqual(["world"]);
  });

  it("counts the same name anywhere else", () => {
    const leak = record(23, Buffer.from("hello world"));
    expect([...readWire([stream(Buffer.concat([HELLO, leak]))], ["world"]).found]).toEqual(["world"]);
  });

  it.each([
    { name: "a stream captured from its start", isWhole: true, otherStreams: 1 },
    { name: "a stream begun before the capture", isWhole: false, otherStreams: 0 },
  ])("finds plaintext in $name", ({ isWhole, otherStreams }) => {
    const reading = readWire([stream(CLEAR, isWhole)], ["GET", "world"]);
    expect(reading).toMatchObject({ otherStreams, firstLine: "GET / HTTP/1.1" });
    expect([...reading.found]).toEqual(["GET", "world"]);
  });

  it("says nothing of streams without a byte", () => {
    expect(readWire([stream(Buffer.alloc(0))], ["GET"])).toMatchObject({ tlsStreams: 0, otherStreams: 0, bytes: 0 });
  });
});
