import fc from "fast-check";
import { expect, it } from "vitest";
import { REQUEST_ENTRY } from "./access-log-fixture.ts";
import { formatAccessLogEntry, MAX_VALUE_CHARACTERS } from "./format-access-log.ts";

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 50 }), fc.string({ maxLength: 20_000, size: "max" }));
const entry = fc.record({
  ...Object.fromEntries(Object.entries(REQUEST_ENTRY).map(([name, value]) => [name, fc.constant(value)])),
  method: text,
  path: text,
  authority: text,
  details: text,
  requestId: text,
  userAgent: text,
  startedAtMs: fc.double(),
  durationMs: fc.double(),
  bytesSent: fc.double(),
  status: fc.integer(),
});

it("any entry is one line of JSON with bounded texts, integers and nulls", () => {
  fc.assert(
    fc.property(entry, (fields) => {
      const line = formatAccessLogEntry({ ...REQUEST_ENTRY, ...fields });
      expect(line.indexOf("\n")).toBe(line.length - 1);
      const values: readonly unknown[] = Object.values(JSON.parse(line));
      for (const value of values) {
        if (typeof value === "string") expect(value.length).toBeLessThanOrEqual(MAX_VALUE_CHARACTERS + 1);
        else if (value !== null) expect(Number.isInteger(value) && Number(value) >= 0).toBe(true);
      }
      if (fields.path.length <= MAX_VALUE_CHARACTERS) expect(JSON.parse(line)["path"] ?? "").toBe(fields.path);
    }),
  );
});
