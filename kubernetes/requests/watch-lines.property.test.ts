import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KINDS } from "../kinds.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { WatchLines } from "./watch-lines.ts";
import { parseWatchEvent } from "./watch-stream.ts";

describe("the lines of a watch", () => {
  it("are the same for every split of the stream", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "binary" }).filter((line) => !line.includes("\n") && line.trim() !== "")),
        fc.array(fc.nat({ max: 40 })),
        (lines, cuts) => {
          const stream = Buffer.from(lines.map((line) => `${line}\n`).join(""));
          const reader = new WatchLines(1_000_000);
          const found: string[] = [];
          let start = 0;
          for (const length of [...cuts, stream.length]) {
            found.push(...reader.push(stream.subarray(start, start + length)));
            start += length;
          }
          expect(found).toEqual(lines.map((line) => Buffer.from(line).toString()));
          expect(reader.isUnfinished).toBe(false);
        },
      ),
    );
  });

  it("that never end are noticed at the limit", () => {
    const reader = new WatchLines(1000);
    reader.push(Buffer.alloc(1000, "x"));
    expect([reader.isTooLong, reader.isUnfinished]).toEqual([false, true]);
    reader.push(Buffer.from("x"));
    expect(reader.isTooLong).toBe(true);
  });
});

describe("an event of a watch", () => {
  it("is an event or a KubernetesApiError, whatever the line is", () => {
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({
          type: fc.oneof(fc.constantFrom("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"), fc.jsonValue()),
          object: fc.oneof(
            fc.record({ metadata: fc.oneof(fc.jsonValue(), fc.record({ name: fc.jsonValue() })) }),
            fc.jsonValue(),
          ),
        })
        .map((event) => JSON.stringify(event)),
    );
    fc.assert(
      fc.property(line, (text) => {
        try {
          expect(parseWatchEvent(text, KINDS.pods, "GET pods").type).toMatch(/^(ADDED|MODIFIED|DELETED|BOOKMARK)$/);
        } catch (caught) {
          expect(caught).toBeInstanceOf(KubernetesApiError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
