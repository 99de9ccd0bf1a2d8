import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isForeignProtocol, recognizeHttp } from "./recognize-http.ts";

const text = fc.oneof(
  fc.string({ maxLength: 60, unit: "binary-ascii" }),
  fc
    .tuple(
      fc.constantFrom("PRI", "GET", "PRI *", "POST", "get", "FOO", "DESCRIBE"),
      fc.constantFrom(" ", "  ", "\t", " * ", " / ", " /x "),
      fc.constantFrom("HTTP/1.1", "HTTP/2.0", "RTSP/1.0", "ICE/1.0", ""),
      fc.constantFrom("\r\n", "\n", "\r\n\r\n", "\r\n\r\nSM\r\n\r\n", ""),
    )
    .map((parts) => parts.join("")),
);

describe("recognizeHttp", () => {
  it.each([
    { bytes: "GET / HTTP/1.1\r\n", protocol: "http" },
    { bytes: "GET /", protocol: "http" },
    { bytes: "\r\nGET /", protocol: "http" },
    { bytes: "get  /x  HTTP/1.1\n", protocol: "http" },
    { bytes: "FOO x HTTP/1.1\r\n", protocol: "http" },
    { bytes: "DESCRIBE / RTSP/1.0\r\n", protocol: "http" },
    { bytes: "PRI * HTTP/1.1\r\n", protocol: "http" },
    { bytes: "PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n", protocol: "http" },
    { bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", protocol: "stream" },
    { bytes: "PRI * HTTP/2.0\r\n\r\n", protocol: undefined },
    { bytes: "GE", protocol: undefined },
    { bytes: "hello", protocol: undefined },
    { bytes: "get foo\r\n", protocol: "stream" },
    { bytes: "*1\r\n$4\r\nPING\r\n", protocol: "stream" },
    { bytes: "\0\0\0\x08\x04\xd2\x16\x2f", protocol: "stream" },
    { bytes: "EHLO mail.example.com\r\n", protocol: "stream" },
  ])("reads $bytes as $protocol", ({ bytes, protocol }) => {
    expect(recognizeHttp(Buffer.from(bytes, "latin1"))).toBe(protocol);
  });

  it("never calls HTTP what an HTTP port would hand on as another protocol: that would go in circles", () => {
    fc.assert(
      fc.property(text, (bytes) => {
        const buffer = Buffer.from(bytes, "latin1");
        if (recognizeHttp(buffer) === "http") expect(isForeignProtocol(buffer)).toBe(false);
      }),
    );
  });

  it("never takes a verdict back when more comes", () => {
    fc.assert(
      fc.property(text, text, (bytes, more) => {
        const first = recognizeHttp(Buffer.from(bytes, "latin1"));
        if (first === undefined) return;
        expect(recognizeHttp(Buffer.from(bytes + more, "latin1"))).toBe(first);
      }),
    );
  });
});
