import { describe, expect, it } from "vitest";
import { SMUGGLING_REQUESTS, SOUND_REQUESTS } from "./corpus-fixture.ts";
import { frameRequests } from "./frame-fixture.ts";
import { HTTP1_LIMITS } from "./http1-limits.ts";
import { LENIENT_REQUESTS } from "./lenient-corpus-fixture.ts";
import { RequestFramer } from "./request-framer.ts";

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

describe("RequestFramer", () => {
  it.each([...SMUGGLING_REQUESTS, ...SOUND_REQUESTS])("$name", ({ bytes, requests, fault }) => {
    const framed = frameRequests([Buffer.from(bytes, "latin1")]);
    expect({ requests: framed.ends, fault: framed.fault }).toEqual({ requests, fault });
  });

  it.each(LENIENT_REQUESTS)("forwards in its canonical form: $name", ({ bytes, plain, requests }) => {
    const framed = frameRequests([Buffer.from(bytes, "latin1")]);
    expect(framed).toMatchObject({ ends: requests, fault: undefined, forwarded: plain });
    const again = frameRequests([Buffer.from(plain, "latin1")]);
    expect(again).toMatchObject({ ends: requests, fault: undefined, forwarded: plain });
    expect(again.heads.map(({ fields }) => fields.isVerbatim)).toEqual(again.heads.map(() => true));
  });

  it.each(["LIST", "brew", "VERSION-CONTROL", "x_y", "!#$%&'*+.^`|~", "A".repeat(32)])(
    "accepts any token as a method: %s",
    (method) => {
      const [head] = new RequestFramer().push(Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`));
      expect(head).toMatchObject({ kind: "head", head: { method } });
    },
  );

  it.each([
    { name: "Kafka", bytes: "\0", fault: "bad_start_line" },
    { name: "AMQP", bytes: "AMQP\0", fault: "bad_method" },
    { name: "a JSON line", bytes: "{", fault: "bad_start_line" },
    { name: "Redis", bytes: "*1\r", fault: "bad_method" },
    { name: "a word without an end", bytes: "A".repeat(33), fault: "bad_method" },
    { name: "SMTP", bytes: "EHLO mail.example.com\r", fault: "bad_target" },
    { name: "RTSP", bytes: "DESCRIBE rtsp://a/b R", fault: "bad_start_line" },
    { name: "an invalid version", bytes: "GET / HTTP/1.1 ", fault: "bad_start_line" },
    { name: "HTTP/1.2", bytes: "GET / HTTP/1.2\r\n", fault: "bad_version" },
    { name: "an invalid second request", bytes: `${GET}\r\n{`, fault: "bad_start_line" },
    { name: "a CR that does not end a line", bytes: "\rG", fault: "bad_start_line" },
  ])("refuses an invalid request at its first wrong byte: $name", ({ bytes, fault }) => {
    const whole = Buffer.from(bytes, "latin1");
    expect(frameRequests([whole]).fault).toBe(fault);
    const each = [...whole].map((byte) => Buffer.from([byte]));
    expect(frameRequests(each).fault).toBe(fault);
    expect(frameRequests(each.slice(0, -1)).fault).toBeUndefined();
  });

  it.each(["", "\r", "\r\n", "GET", "GET /a", "LIST /a HTTP/1.1", "GET / HTTP/1.0\r\n", `${GET}\r\nGE`])(
    "waits for more after a possible beginning of a request: %j",
    (bytes) => {
      expect(frameRequests([...Buffer.from(bytes)].map((byte) => Buffer.from([byte]))).fault).toBeUndefined();
    },
  );

  it.each([
    { name: "a target", head: `GET /${"a".repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, fault: "head_too_large" },
    { name: "a head", head: `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(70_000)}\r\n\r\n`, fault: "head_too_large" },
    {
      name: "a head without an end",
      head: `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(70_000)}`,
      fault: "head_too_large",
    },
    { name: "fields", head: `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(200)}\r\n`, fault: "too_many_fields" },
    {
      name: "a chunk extension (CVE-2024-22019)",
      head: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;${"a".repeat(300)}`,
      fault: "bad_chunk",
    },
    {
      name: "chunk extensions together",
      head: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${`1;${"a".repeat(200)}\r\nx\r\n`.repeat(30)}`,
      fault: "bad_chunk",
    },
    {
      name: "trailers",
      head: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${`X: ${"a".repeat(100)}\r\n`.repeat(100)}`,
      fault: "trailers_too_large",
    },
  ])("refuses too much of $name", ({ head, fault }) => {
    expect(frameRequests([Buffer.from(head)]).fault).toBe(fault);
  });

  it("names the limit and how to raise it", () => {
    const framer = new RequestFramer({ ...HTTP1_LIMITS, maxRequestHeadBytes: 2000 });
    const [fault] = framer.push(Buffer.from(`GET /${"a".repeat(2000)}`));
    const message =
      "more than 2000 bytes of a request's head; the proxy's ENTENTE_MAX_REQUEST_HEAD_BYTES raises this limit";
    expect(fault).toMatchObject({ fault: { status: 431, message } });
  });

  it("accepts a target as long as the head allows", () => {
    expect(frameRequests([Buffer.from(`GET /${"a".repeat(60_000)} HTTP/1.1\r\nHost: a\r\n\r\n`)]).ends).toBe(1);
  });

  it("forwards content without copying it", () => {
    const framer = new RequestFramer();
    framer.push(Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"));
    const chunk = Buffer.from("hello");
    expect(framer.push(chunk)[0]).toMatchObject({ kind: "body", bytes: chunk });
    const [event] = framer.push(chunk);
    expect(event).toBeUndefined();
  });

  it("holds the next request until the previous one has finished", () => {
    const framer = new RequestFramer();
    expect(framer.push(Buffer.from(GET + GET)).map(({ kind }) => kind)).toEqual(["head", "end"]);
    expect(framer.bufferedBytes).toBe(GET.length);
    expect(framer.push(Buffer.from(GET))).toEqual([]);
    expect(framer.next().map(({ kind }) => kind)).toEqual(["head", "end"]);
    expect(framer.next().map(({ kind }) => kind)).toEqual(["head", "end"]);
    expect(framer.next()).toEqual([]);
  });

  it("returns what follows an upgrade", () => {
    const framer = new RequestFramer();
    framer.push(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nframes"));
    expect(framer.takeRest().toString()).toBe("frames");
  });

  it("treats a FIN inside a request as a fault, and one between requests as regular", () => {
    const between = new RequestFramer();
    between.push(Buffer.from(GET));
    between.next();
    expect(between.end()).toEqual([]);
    const inside = new RequestFramer();
    inside.push(Buffer.from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"));
    expect(inside.end()).toMatchObject([{ kind: "fault", fault: { code: "unexpected_end" } }]);
  });

  it("reads the head's connection fields", () => {
    const framer = new RequestFramer();
    const [head] = framer.push(
      Buffer.from("GET /x HTTP/1.1\r\nHost: a:8080\r\nConnection: close, X-Hop\r\nExpect: 100-continue\r\n\r\n"),
    );
    expect(head).toMatchObject({
      kind: "head",
      head: {
        method: "GET",
        path: "/x",
        authority: "a:8080",
        keepAlive: false,
        fields: { hopNames: ["x-hop"] },
        expectsContinue: true,
      },
    });
  });

  it.each([
    { fields: "Expect: 100-Continue\r\n", expectsContinue: true },
    { fields: "Expect: 200-ok\r\n", expectsContinue: false },
    { fields: "Expect: 100-continue-soon\r\n", expectsContinue: false },
    { fields: "Expect: a=b, 100-continue\r\n", expectsContinue: false },
    { fields: "Expect: 100-continue\r\nExpect: 100-continue\r\n", expectsContinue: false },
    { fields: "Expect:\r\n", expectsContinue: false },
  ])("accepts every expectation, and handles only 100-continue itself: $fields", ({ fields, expectsContinue }) => {
    const [head] = new RequestFramer().push(Buffer.from(`POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`));
    expect(head).toMatchObject({ kind: "head", head: { expectsContinue } });
  });

  it("accepts a head of the maximum size byte by byte", () => {
    const head = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"a".repeat(HTTP1_LIMITS.maxRequestHeadBytes - 100)}\r\n\r\n`;
    expect(frameRequests([...Buffer.from(head)].map((byte) => Buffer.from([byte]))).ends).toBe(1);
  });
});
