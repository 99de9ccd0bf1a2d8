import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { intersectHosts, matchHost, mostSpecificHost } from "./match-host.ts";

describe("host patterns", () => {
  const name = fc
    .array(fc.stringMatching(/^[a-z0-9-]{1,8}$/), { minLength: 1, maxLength: 5 })
    .map((labels) => labels.join("."));
  const pattern = fc.oneof(
    name,
    name.map((suffix) => `*.${suffix}`),
    fc.constant("*"),
  );

  it("match like an equivalent regex", () => {
    const related = fc
      .tuple(name, name)
      .chain(([head, tail]) =>
        fc.tuple(fc.constantFrom(tail, `*.${tail}`, "*"), fc.constantFrom(`${head}.${tail}`, tail, head)),
      );
    fc.assert(
      fc.property(fc.oneof(related, fc.tuple(pattern, name)), ([wanted, host]) => {
        const source = wanted.replaceAll(".", "\\.").replace("*", ".+");
        expect(matchHost(wanted, host)).toBe(new RegExp(`^${source}$`).test(host));
      }),
    );
  });

  it("have a best match, and no other match is longer or exact", () => {
    fc.assert(
      fc.property(fc.array(pattern, { maxLength: 8 }), name, (patterns, host) => {
        const best = mostSpecificHost(patterns, host);
        const covering = patterns.filter((candidate) => matchHost(candidate, host));
        const longest = Math.max(...covering.map(({ length }) => length));
        if (best === undefined) expect(covering).toEqual([]);
        else if (covering.includes(host)) expect(best).toBe(host);
        else expect([covering.includes(best), best.length]).toEqual([true, longest]);
      }),
    );
  });

  it("intersect only in hosts that both match", () => {
    fc.assert(
      fc.property(pattern, pattern, name, (left, right, host) => {
        const common = intersectHosts(left, right);
        expect(common !== undefined && matchHost(common, host)).toBe(matchHost(left, host) && matchHost(right, host));
      }),
    );
  });
});
