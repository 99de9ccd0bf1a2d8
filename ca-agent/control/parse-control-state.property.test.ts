import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { CaError } from "../ca-error.ts";
import type { ControlState, Revocation } from "./control-state.ts";
import {
  formatControlDocument,
  formatControlTexts,
  parseControlDocument,
  parseControlTexts,
} from "./parse-control-state.ts";

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const time = fc
  .date({ min: new Date("2000-01-01T00:00:00Z"), max: new Date("2100-01-01T00:00:00Z"), noInvalidDate: true })
  .map((date) => date.toISOString());
const what: fc.Arbitrary<Revocation["what"]> = fc.oneof(
  fc.record({
    kind: fc.constant("serial" as const),
    serialNumber: fc.stringMatching(/^(?:0|[1-9A-F][0-9A-F]{0,39})$/),
  }),
  fc.tuple(label, label).map(([namespace, account]) => ({
    kind: "identity" as const,
    identity: parseSpiffeId(`spiffe://cluster.local/ns/${namespace}/sa/${account}`),
  })),
  fc.record(
    { kind: fc.constant("pod" as const), namespace: label, name: label, uid: fc.uuid() },
    { requiredKeys: ["kind", "namespace", "name"] },
  ),
);
const revocation: fc.Arbitrary<Revocation> = fc.record(
  { what, revokedAt: time, expiresAt: time, reason: fc.stringMatching(/^[ -~]{1,200}$/) },
  { requiredKeys: ["what", "revokedAt"] },
);
const revisions = fc
  .uniqueArray(fc.integer({ min: 1, max: 999_999_999_999_999 }), { minLength: 1, maxLength: 63 })
  .chain((some) => fc.constantFrom(some, [...some, 0]))
  .map((some) => some.toSorted((one, other) => other - one));
const written: fc.Arbitrary<ControlState> = fc.record({
  revocations: fc.array(revocation, { maxLength: 20 }),
  rotation: fc.option(
    fc.record(
      { kind: fc.constantFrom("rotate" as const, "roll_back" as const), requestId: fc.uuid(), requestedAt: time },
      { requiredKeys: ["requestId", "requestedAt"] },
    ),
    { nil: undefined },
  ),
});
const state: fc.Arbitrary<ControlState> = fc
  .tuple(written, fc.option(revisions, { nil: undefined }))
  .map(([one, some]) => ({ ...one, ...(some && { revisions: some }) }));

describe("what an operator asks", () => {
  it("is read back as it was written", () => {
    fc.assert(
      fc.property(state, (written) => {
        expect(parseControlTexts(formatControlTexts(written))).toEqual(written);
        expect(parseControlDocument(formatControlDocument(written))).toEqual(written);
      }),
    );
  });

  it("never loses an entry to a changed byte: it is read whole, or refused with a CaError", () => {
    const change = fc.tuple(fc.nat(), fc.constantFrom("", '"', ",", "{", "}", "[", "]", ":", "0", "a", "\\", "\0"));
    fc.assert(
      fc.property(state, fc.array(change, { minLength: 1, maxLength: 3 }), (written, changes) => {
        let text = formatControlDocument(written);
        for (const [position, by] of changes) {
          const at = position % text.length;
          text = text.slice(0, at) + by + text.slice(at + 1);
        }
        const read = parseOrRefuse(text);
        if (read !== undefined) expect(read.revocations).toHaveLength(written.revocations.length);
      }),
      { numRuns: 500 },
    );
  });

  it("may be any text without another error than a CaError", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((json) => `{"revocations":[${json}]}`),
    );
    fc.assert(fc.property(texts, (text) => void parseOrRefuse(text)));
  });
});

function parseOrRefuse(text: string): ControlState | undefined {
  try {
    return parseControlDocument(text);
  } catch (caught) {
    expect(caught).toBeInstanceOf(CaError);
    return undefined;
  }
}
