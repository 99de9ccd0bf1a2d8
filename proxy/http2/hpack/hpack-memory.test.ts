import { describe, expect, it } from "vitest";
import { bytesOf } from "../../../mesh/used-bytes-fixture.ts";
import { encodeBlock, literal } from "./block-fixture.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";

const CONNECTIONS = 200;
const LARGE_BYTES = 60_000;

/** A text of its own for each connection, so that no two share memory. */
function largeText(connection: number): string {
  return `${connection}`.padEnd(LARGE_BYTES, "x");
}

describe("a small entry of a table does not keep a large text alive", () => {
  it("of the block that it arrived in", () => {
    const grown = bytesOf(CONNECTIONS, (connection) => {
      const decoder = new HpackDecoder();
      const entry = literal("indexed", ["user-agent", `curl/8.5.0 of connection ${connection}`]);
      const decoded = decoder.decode(Buffer.concat([literal("plain", ["a", largeText(connection)]), entry]));
      expect(decoded.kind).toBe("fields");
      return decoder;
    });
    expect(grown).toBeLessThan((CONNECTIONS * LARGE_BYTES) / 4);
  });

  it("of the head that it was cut from", () => {
    const grown = bytesOf(CONNECTIONS, (connection) => {
      const encoder = new HpackEncoder();
      const head = Buffer.from(`${largeText(connection)}curl/8.5.0 of connection ${connection}`).toString("latin1");
      encodeBlock(encoder, [["user-agent", head.slice(LARGE_BYTES)]]);
      return encoder;
    });
    expect(grown).toBeLessThan((CONNECTIONS * LARGE_BYTES) / 4);
  });
});
