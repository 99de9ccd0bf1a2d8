import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdentityError } from "./identity-error.ts";
import { formatSpiffeId, parseSpiffeId, parseTrustDomain, spiffeIdParts } from "./spiffe-id.ts";

const trustDomain = fc.stringMatching(/^[a-z0-9._-]{1,60}$/).map(parseTrustDomain);
const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
const account = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));

describe("SPIFFE ids", () => {
  it("format and parse to the same value", () => {
    fc.assert(
      fc.property(trustDomain, label, account, (domain, namespace, serviceAccount) => {
        const parts = { trustDomain: domain, namespace, serviceAccount };
        const id = formatSpiffeId(parts);
        expect(parseSpiffeId(id)).toBe(id);
        expect(spiffeIdParts(id)).toEqual(parts);
      }),
    );
  });

  it("have exactly one spelling", () => {
    const near = fc.tuple(
      fc.constantFrom("spiffe://", "spiffe:/", ""),
      fc.string(),
      fc.constantFrom("/ns/a/sa/b", "/", ""),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          near.map((parts) => parts.join("")),
        ),
        (text) => {
          try {
            expect(formatSpiffeId(spiffeIdParts(parseSpiffeId(text)))).toBe(text);
          } catch (caught) {
            expect(caught).toBeInstanceOf(IdentityError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
