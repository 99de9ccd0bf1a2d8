import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RequestFramer } from "./request-framer.ts";
import { ResponseFramer } from "./response-framer.ts";

const REQUESTS = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: b\r\n\r\n",
  "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok",
  "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  2\r\n\r\nok",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  `GET / HTTP/1.1\r\nHost: a\r\nx: ${"y".repeat(3000)}\r\n\r\n`,
];

const RESPONSES = [
  { method: "GET", hasUpgrade: false, bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
  { method: "HEAD", hasUpgrade: false, bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" },
  { method: "GET", hasUpgrade: false, bytes: "HTTP/1.1 204 No Content\r\n\r\n" },
  { method: "GET", hasUpgrade: true, bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" },
];

describe("the messages of one connection", () => {
  it("are read as if each were the first, whichever heads come again", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...REQUESTS), { maxLength: 8 }), (requests) => {
        const framer = new RequestFramer();
        for (const bytes of requests) {
          const events = framer.push(Buffer.from(bytes));
          expect(events).toEqual(new RequestFramer().push(Buffer.from(bytes)));
          expect(events.at(-1)?.kind).toBe("end");
          framer.next();
        }
      }),
    );
  });

  it("are the responses to their own requests, though another one had the same head", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...RESPONSES), { maxLength: 8 }), (responses) => {
        const framer = new ResponseFramer();
        for (const { bytes, ...request } of responses) {
          const alone = new ResponseFramer();
          framer.expect(request);
          alone.expect(request);
          const events = framer.push(Buffer.from(bytes));
          expect(events).toEqual(alone.push(Buffer.from(bytes)));
          expect(events.at(-1)?.kind).toBe("end");
        }
      }),
    );
  });

  it("share a short head that comes again, and keep no long one", () => {
    const framer = new RequestFramer();
    const headOf = (bytes: string): unknown => {
      const [event] = framer.push(Buffer.from(bytes));
      framer.next();
      return event?.kind === "head" ? event.head : undefined;
    };
    const [short = "", , , , , , long = ""] = REQUESTS;
    expect(headOf(short)).toBe(headOf(short));
    expect(headOf(long)).not.toBe(headOf(long));
  });
});
