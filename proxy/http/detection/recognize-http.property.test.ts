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
  it("never calls HTTP what an HTTP port would hand on as another protocol: that would go in circles", () => {
    fc.assert(
      fc.property(text, (bytes) => {
        const buffer = Buffer.from(bytes, "latin1");
        if (recognizeHttp(buffer) === "http") expect(isForeignProtocol(buffer)).toBe(false);
      }),
    );
  });

  it("never takes a final verdict back when more comes", () => {
    fc.assert(
      fc.property(text, text, (bytes, more) => {
        const first = recognizeHttp(Buffer.from(bytes, "latin1"));
        if (first === "undecided" || first === "watched") return;
        expect(recognizeHttp(Buffer.from(bytes + more, "latin1"))).toBe(first);
      }),
    );
  });
});
