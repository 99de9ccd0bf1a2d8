import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isGrpcContentType } from "./grpc-content-type.ts";
import { formatGrpcMessage, parseGrpcMessage } from "./grpc-message.ts";
import { GrpcMessageCounter } from "./grpc-message-counter.ts";
import { parseGrpcStatus } from "./grpc-status.ts";
import { formatGrpcTimeout, parseGrpcTimeout } from "./grpc-timeout.ts";

const anyText = fc.oneof(fc.string(), fc.string({ unit: "binary" }));

describe("gRPC's fields", () => {
  it("a message survives encoding, and its field is one line of visible ASCII and spaces", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const field = formatGrpcMessage(text);
        expect(field).toMatch(/^[ -~]*$/);
        expect(parseGrpcMessage(field)).toBe(text);
      }),
    );
  });

  it("text that is not Unicode is encoded, too, and stays one line", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
        expect(formatGrpcMessage(String.fromCharCode(...units))).toMatch(/^[ -~]*$/);
      }),
    );
  });

  it("no value makes a reader fail, or leave its range", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(typeof parseGrpcMessage(text)).toBe("string");
        expect([undefined, ...Array(17).keys()]).toContain(parseGrpcStatus(text));
        const ms = parseGrpcTimeout(text) ?? 1;
        expect(Number.isInteger(ms) && ms >= 1 && ms <= 0x7f_ff_ff_ff).toBe(true);
        expect(typeof isGrpcContentType(text)).toBe("boolean");
      }),
    );
  });

  it("a limit in milliseconds survives, but for less than the unit that has room for it", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7f_ff_ff_ff }), (ms) => {
        const field = formatGrpcTimeout(ms);
        const read = parseGrpcTimeout(field) ?? 0;
        expect(field).toMatch(/^\d{1,8}[mS]$/);
        expect(read <= ms && ms - read < 1000).toBe(true);
        if (ms <= 99_999_999) expect(read).toBe(ms);
      }),
    );
  });

  it("every suffix of application/grpc but +, ; and white space is another type", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (suffix) => {
        fc.pre(!/^[+; \t]/.test(suffix));
        expect(isGrpcContentType(`application/grpc${suffix}`)).toBe(false);
      }),
    );
  });
});

describe("gRPC's messages", () => {
  const message = fc.uint8Array({ maxLength: 300 }).map((content) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(content.length, 1);
    return Buffer.concat([prefix, content]);
  });

  it("are counted alike however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(message), fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (messages, sizes) => {
        const counter = new GrpcMessageCounter();
        const bytes = Buffer.concat(messages);
        let counted = 0;
        for (let at = 0; at < bytes.length; ) {
          const size = Number(sizes.next().value);
          counted += counter.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(counted).toBe(messages.length);
        expect(counter.push(Buffer.alloc(5))).toBe(1);
      }),
    );
  });

  it("count when they begin, and a declared length of 4 GB only skips bytes", () => {
    const counter = new GrpcMessageCounter();
    expect(counter.push(Buffer.from([0]))).toBe(1);
    expect(counter.push(Buffer.from([0xff, 0xff, 0xff, 0xff]))).toBe(0);
    expect(counter.push(Buffer.alloc(1_000_000))).toBe(0);
    expect(counter.push(Buffer.alloc(0))).toBe(0);
  });
});
