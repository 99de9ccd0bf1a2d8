import { describe, expect, it } from "vitest";
import { RequestReader } from "./request-reader.ts";

const REQUEST = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** What comes of a text that arrives byte by byte, up to the first word that it is foreign. */
function readByteByByte(reader: RequestReader, text: string): readonly string[] {
  const kinds: string[] = [];
  for (const byte of Buffer.from(text, "latin1")) {
    const events = reader.push(Buffer.of(byte));
    if (events === "foreign") return [...kinds, "foreign"];
    kinds.push(...events.map(({ kind }) => kind));
  }
  return kinds;
}

describe("what a client says on a port that is HTTP", () => {
  it.each([
    { name: "a request", text: REQUEST, kinds: ["head", "end"] },
    {
      name: "a request whose method begins as HTTP/2 does",
      text: REQUEST.replace("GET", "PROPFIND"),
      kinds: ["head", "end"],
    },
    {
      name: "the beginning of HTTP/2's preface, and a request behind it",
      text: "PRI * HTTP/2.0\r\n\r\nGET",
      kinds: ["fault"],
    },
    { name: "what is no protocol", text: "\0\0\r\n\r\n", kinds: ["fault"] },
    { name: "HTTP/2's preface", text: PREFACE, kinds: ["foreign"] },
    { name: "a TLS handshake", text: "\x16\x03\x01", kinds: ["foreign"] },
    { name: "what begins as TLS's records do, and is none", text: "\x16\x04\r\n\r\n", kinds: ["fault"] },
  ])("is $name, in one piece or byte by byte", ({ text, kinds }) => {
    const whole = new RequestReader().push(Buffer.from(text, "latin1"));
    expect(whole === "foreign" ? ["foreign"] : whole.map(({ kind }) => kind)).toEqual(kinds);
    expect(readByteByByte(new RequestReader(), text)).toEqual(kinds);
  });

  it.each([PREFACE, "\x16\x03"])("is given away whole when it is for somebody else: %j", (text) => {
    const reader = new RequestReader();
    expect(readByteByByte(reader, text)).toEqual(["foreign"]);
    expect(reader.takeRest().toString("latin1")).toBe(text);
  });

  it("is held from its first byte to the end of a head", () => {
    const reader = new RequestReader();
    expect(reader.isEmpty).toBe(true);
    for (const byte of Buffer.from(REQUEST).subarray(0, -1)) {
      reader.push(Buffer.of(byte));
      expect(reader.isEmpty).toBe(false);
    }
    reader.push(Buffer.from("\n"));
    expect(reader.isEmpty).toBe(true);
  });

  it("behind a request waits for its answer", () => {
    const reader = new RequestReader();
    reader.push(Buffer.from(`${REQUEST}${REQUEST}`));
    expect(reader.isEmpty).toBe(false);
    expect(reader.next()).toHaveLength(2);
    expect(reader.isEmpty).toBe(true);
  });

  it("is a fault when it ends inside a request", () => {
    const reader = new RequestReader();
    reader.push(Buffer.from(REQUEST.slice(0, -1)));
    expect(reader.end()).toMatchObject([{ kind: "fault", fault: { code: "unexpected_end" } }]);
  });
});
