import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ResponseReader } from "./response-reader.ts";

const ANSWERS = Buffer.from(
  [
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length:0\r\n\r\n",
    "HTTP/1.1 503 Service Unavailable\r\nX-Content-Length-Not: 9\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\r\n\r\n",
  ].join(""),
);

describe("answers", () => {
  it("are read alike however they are split", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (sizes) => {
        const reader = new ResponseReader();
        const read = [];
        let at = 0;
        for (const size of [...sizes, ANSWERS.length]) {
          read.push(...reader.push(ANSWERS.subarray(at, at + size)));
          at += size;
        }
        expect(read).toEqual([
          { status: 200, bodyBytes: 5 },
          { status: 200, bodyBytes: 0 },
          { status: 503, bodyBytes: 0 },
          { status: 200, bodyBytes: 4 },
        ]);
      }),
    );
  });

  it("of 200 without a length are an error, for they could not be counted", () => {
    expect(() => new ResponseReader().push(Buffer.from("HTTP/1.1 200 OK\r\n\r\n"))).toThrow(/without Content-Length/);
  });
});
