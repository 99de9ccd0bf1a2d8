import fc from "fast-check";
import { expect, it } from "vitest";
import { formatRotationRecord, parseRotationRecord, type RotationRecord } from "./rotation-record.ts";

const fingerprint = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((octets) => [...octets].map((octet) => octet.toString(16).padStart(2, "0").toUpperCase()).join(":"));
const time = fc.integer({ min: 0, max: Date.parse("9999-12-31T23:59:59.999Z") });
const cause = fc.constantFrom("request" as const, "age" as const);
const reason = fc.string({ maxLength: 1000, unit: "grapheme" }).map((text) => text.slice(0, 1000));
const base = {
  revision: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  requestId: fc.option(fc.stringMatching(/^[\x21-\x7e]{1,128}$/), { nil: undefined }),
  current: fingerprint,
  dropped: fc.array(fingerprint, { maxLength: 16 }),
};
const duration = fc.nat();
const phase = { cause, sinceMs: time, countedMs: duration };
const leaving = { ...phase, isFollowed: fc.boolean(), leavesEndMs: duration };
const outcome = fc.constantFrom("completed" as const, "rolled_back" as const);
const last = fc.record({ cause, outcome, reason, atMs: time });

const record: fc.Arbitrary<RotationRecord> = fc.oneof(
  fc.record({ ...base, kind: fc.constant("steady" as const), last: fc.option(last, { nil: undefined }) }),
  fc.record({ ...base, kind: fc.constant("published" as const), next: fingerprint, ...phase }),
  fc.record({ ...base, kind: fc.constant("signing" as const), previous: fingerprint, ...leaving }),
  fc.record({ ...base, kind: fc.constant("withdrawing" as const), leaving: fingerprint, reason, ...leaving }),
);

it("a record is read as it was written", () => {
  fc.assert(
    fc.property(record, (written) => {
      expect(parseRotationRecord(formatRotationRecord(written))).toEqual(written);
    }),
  );
});

it("a damaged record is an error, or one that is written in the same way", () => {
  const damage = fc.record({ at: fc.nat(), length: fc.nat(3), text: fc.string({ maxLength: 3 }) });
  fc.assert(
    fc.property(record, damage, (written, { at, length, text }) => {
      const whole = formatRotationRecord(written);
      const start = at % whole.length;
      const damaged = whole.slice(0, start) + text + whole.slice(start + length);
      let read: RotationRecord;
      try {
        read = parseRotationRecord(damaged);
      } catch (caught) {
        expect(caught).toBeInstanceOf(Error);
        expect(caught).not.toBeInstanceOf(TypeError);
        return;
      }
      expect(parseRotationRecord(formatRotationRecord(read))).toEqual(read);
    }),
  );
});
