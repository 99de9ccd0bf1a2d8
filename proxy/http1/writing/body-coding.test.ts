import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { FieldList } from "../../messages/field-list.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import { frameResponse } from "../frame-fixture.ts";
import { addEnd, addPiece, type BodyCoding, decideCoding } from "./body-coding.ts";

function write(pieces: readonly BodyPiece[], coding: BodyCoding, trailers?: FieldList): readonly (string | Buffer)[] {
  const written: (string | Buffer)[] = [];
  const target = { add: (piece: string | Buffer) => void written.push(piece) };
  for (const piece of pieces) addPiece(target, piece, coding);
  addEnd(target, trailers, coding);
  return written;
}

function textOf(written: readonly (string | Buffer)[]): string {
  return written.map((piece) => piece.toString("latin1")).join("");
}

const CHUNKS: BodyPiece = { bytes: Buffer.from("2\r\nok\r\n3\r\n...\r\n"), ranges: [3, 5, 10, 13] };

describe("a body", () => {
  it.each([
    { content: { kind: "length", length: 3 }, version: "1.1", coding: "as_it_came" },
    { content: { kind: "unknown", endsBy: "chunks" }, version: "1.1", coding: "as_it_came" },
    { content: { kind: "unknown", endsBy: "chunks" }, version: "1.0", coding: "content" },
    { content: { kind: "unknown", endsBy: "frames" }, version: "1.1", coding: "chunks" },
    { content: { kind: "unknown", endsBy: "frames" }, version: "1.0", coding: "content" },
    { content: { kind: "unknown", endsBy: "close" }, version: "1.1", coding: "as_it_came" },
  ] as const)("of $content goes to HTTP/$version: $coding", ({ content, version, coding }) => {
    expect(decideCoding(content, version)).toBe(coding);
  });

  it("of chunks goes on as it came, without a copy, and its end was part of it", () => {
    expect(write([CHUNKS], "as_it_came", listOf(["x", "1"]))).toEqual([CHUNKS.bytes]);
    expect(write([CHUNKS], "as_it_came")[0]).toBe(CHUNKS.bytes);
  });

  it("for a client without chunks is its content", () => {
    expect(textOf(write([CHUNKS], "content", listOf(["x", "1"])))).toBe("ok...");
  });

  it("of frames becomes chunks, and trailers that may not be there are dropped", () => {
    const piece = { bytes: Buffer.from("x".repeat(20)), ranges: undefined };
    const trailers = listOf(["grpc-status", "0", "content-length", "5", "bad", "1\r\nx: y"]);
    expect(textOf(write([piece], "chunks", trailers))).toBe(`14\r\n${"x".repeat(20)}\r\n0\r\ngrpc-status: 0\r\n\r\n`);
  });

  it("of frames is never ended by an empty one", () => {
    const empty = { bytes: Buffer.alloc(0), ranges: undefined };
    expect(textOf(write([empty, { bytes: Buffer.from("a"), ranges: undefined }, empty], "chunks"))).toBe(
      "1\r\na\r\n0\r\n\r\n",
    );
  });

  it("of any pieces is read back from its chunks, with its trailers", () => {
    const piece = fc
      .uint8Array({ maxLength: 40 })
      .map((bytes): BodyPiece => ({ bytes: Buffer.from(bytes), ranges: undefined }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), fc.constantFrom("", "0", "a b"), (pieces, value) => {
        const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        const body = textOf(write(pieces, "chunks", listOf(["x-t", value])));
        const framed = frameResponse([Buffer.from(head + body, "latin1")], { method: "GET", hasUpgrade: false }, false);
        const content = Buffer.concat(pieces.map(({ bytes }) => bytes)).toString("latin1");
        expect(framed).toMatchObject({ fault: undefined, ends: 1, content, trailers: [`x-t: ${value}`] });
      }),
    );
  });
});
