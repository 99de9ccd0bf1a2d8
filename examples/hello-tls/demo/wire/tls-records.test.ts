import { describe, expect, it } from "vitest";
import { isClientHello, parseTlsRecords } from "./tls-records.ts";

function record(type: number, body: string | Buffer, version = 0x0303): Buffer {
  const content = Buffer.from(body);
  const header = Buffer.from([type, version >> 8, version & 0xff, content.length >> 8, content.length & 0xff]);
  return Buffer.concat([header, content]);
}

describe("parseTlsRecords", () => {
  it("reads a hello and what follows it", () => {
    const stream = Buffer.concat([record(22, Buffer.from([1, 0]), 0x0301), record(20, "\u0001"), record(23, "secret")]);
    const reading = parseTlsRecords(stream);
    if (reading.kind !== "tls") throw new Error("expected TLS");
    expect(reading.records.map((entry) => entry.type)).toEqual(["handshake", "change_cipher_spec", "application_data"]);
    expect(reading.records.map(isClientHello)).toEqual([true, false, false]);
  });

  it("takes a last record that the end of the capture cut", () => {
    const stream = record(23, "0123456789");
    expect(parseTlsRecords(stream.subarray(0, 8)).kind).toBe("tls");
  });

  it.each([
    { name: "HTTP", stream: Buffer.from("GET / HTTP/1.1\r\n"), offset: 0 },
    {
      name: "HTTP after a record",
      stream: Buffer.concat([record(23, "x"), Buffer.from("HTTP/1.1 200 OK")]),
      offset: 6,
    },
    { name: "an unknown record type", stream: record(24, "x"), offset: 0 },
    { name: "a version of tomorrow", stream: record(23, "x", 0x0305), offset: 0 },
    { name: "a record longer than TLS allows", stream: Buffer.from([23, 3, 3, 0xff, 0xff, 0]), offset: 0 },
  ])("does not take $name for TLS", ({ stream, offset }) => {
    expect(parseTlsRecords(stream)).toEqual({ kind: "not_tls", offset });
  });
});
