import fc from "fast-check";
import { expect, it } from "vitest";
import { parseDocument, stringify } from "yaml";
import { formatKubernetesYaml, parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { editsForDocument } from "./edit-yaml.ts";
import { applyEdits } from "./yaml-layout.ts";

const key = fc.constantFrom("name", "a", "b", "yes", "x y", "0400", "#", "annotations");
const scalar = fc.oneof(
  fc.constantFrom("yes", "0400", "", "a\nb\n", "a\n\n", "\u2028", "- a", "k: v", "# c", "2024-01-01"),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.string({ maxLength: 5 }),
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    scalar,
    fc.array(tie("any"), { maxLength: 4 }),
    fc.dictionary(key, tie("any"), { maxKeys: 4 }),
  ),
})).any;
const root = fc
  .dictionary(key, value, { minKeys: 1, maxKeys: 5 })
  .map((one): unknown => JSON.parse(JSON.stringify(one)));

const STYLES: readonly ((value: unknown) => string)[] = [
  formatKubernetesYaml,
  (one) => JSON.stringify(one),
  (one) => `${JSON.stringify(one, null, 2)}\n`,
  (one) => formatKubernetesYaml(one).replace(/\n$/, ""),
  (one) => stringify(one, { version: "1.1", indentSeq: false, commentString: (text) => `# ${text}` }),
];

it("replaces any value by any other, in every style, and leaves the neighbouring documents alone", () => {
  fc.assert(
    fc.property(root, root, fc.constantFrom(...STYLES), (before, after, style) => {
      const around = "# c\nkind:   A # d\n---\n";
      const text = `${around}${style(before)}`;
      const [, document] = parseKubernetesYaml(text, { keepSourceTokens: true });
      if (document === undefined) throw new Error("no document");
      const written = applyEdits(text, editsForDocument(text, document, after));
      expect(written.startsWith(around)).toBe(true);
      expect(parseKubernetesYaml(written)[1]?.toJS()).toEqual(after);
    }),
    { numRuns: 1000 },
  );
});

it("keeps every character if nothing is removed", () => {
  fc.assert(
    fc.property(root, root, fc.constantFrom(...STYLES), (before, more, style) => {
      const text = style(before);
      const [document] = parseKubernetesYaml(text, { keepSourceTokens: true });
      if (document === undefined || typeof before !== "object") throw new Error("no document");
      const after = { ...before, added: more };
      const edits = editsForDocument(text, document, after);
      expect(edits.every(({ start, end }) => start === end)).toBe(true);
      expect(parseDocument(applyEdits(text, edits)).errors).toEqual([]);
    }),
  );
});
