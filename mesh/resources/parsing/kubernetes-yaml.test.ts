import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatKubernetesYaml, parseKubernetesYaml } from "./kubernetes-yaml.ts";

function read(scalar: string): unknown {
  const value: unknown = parseKubernetesYaml(`a: ${scalar}\n`)[0]?.toJS();
  return typeof value === "object" && value !== null && "a" in value ? value.a : undefined;
}

describe("a scalar is parsed as by kubectl", () => {
  it.each([
    ["0400", 256],
    ["-0400", -256],
    ["0o400", 256],
    ["0x1F", 31],
    ["0b11", 3],
    ["1_000", 1000],
    ["0", 0],
    ["+7", 7],
    ["08", 8],
    ["089.5", 89.5],
    ["1e3", 1000],
    [".5", 0.5],
    ["1.", 1],
    ["-.inf", Number.NEGATIVE_INFINITY],
    [".NaN", Number.NaN],
    ["1:30", "1:30"],
    ["1e999", "1e999"],
    ["0x", "0x"],
    ["0o8", "0o8"],
    ["1.2.3", "1.2.3"],
    ["100m", "100m"],
    ["yes", true],
    ["On", true],
    ["y", true],
    ["no", false],
    ["OFF", false],
    ["N", false],
    ["yEs", "yEs"],
    ["~", null],
    ["", null],
    ["NULL", null],
    ["nULL", "nULL"],
    ['"yes"', "yes"],
    ["'0400'", "0400"],
    ["!!str 0400", "0400"],
    ["2024-02-03", "2024-02-03T00:00:00Z"],
    ["2024-2-3t4:05:06.700-05:00", "2024-02-03T04:05:06.7-05:00"],
    ["2024-02-30", "2024-02-30"],
    ["2024-02-03-rc1", "2024-02-03-rc1"],
  ])("%s", (text, value) => {
    expect(read(text)).toEqual(value);
  });

  it("also in anchors, aliases and merge keys", () => {
    const text = 'base: &b {mode: 0400, on: "on"}\none: {<<: *b, on: off}\ntwo: *b\n';
    expect(parseKubernetesYaml(text)[0]?.toJS()).toEqual({
      base: { mode: 256, true: "on" },
      one: { mode: 256, true: false },
      two: { mode: 256, true: "on" },
    });
  });

  it("and a key becomes the text of its parsed value", () => {
    const text = 'no: a\n0400: b\n"no": c\n1.50: d\n"1.50": e\n2024-01-01: f\n';
    expect(parseKubernetesYaml(text)[0]?.toJS()).toEqual({
      ...{ false: "a", 256: "b", no: "c", 1.5: "d", "1.50": "e", "2024-01-01T00:00:00Z": "f" },
    });
  });

  it.each(["{a: b}: c", "[a]: c", "~: c", ": c", "? {a: b}\n"])("and the key of %j is refused", (text) => {
    const [document] = parseKubernetesYaml(text);
    expect(document?.errors.map(({ message }) => message)).toEqual([
      expect.stringContaining("a key must be text, a number or a boolean"),
    ]);
  });

  it.each([
    { name: "a merge after a key that it contains", text: "b: &b {mode: A}\nc: {mode: B, <<: *b}\n", key: "mode" },
    { name: "in a list of merges", text: "b: &b {x: 1}\nd: &d {mode: A}\nc: {mode: B, <<: [*b, *d]}\n", key: "mode" },
    { name: "a second merge", text: "b: &b {x: 1}\nd: &d {x: 2}\nc: {<<: *b, <<: *d}\n", key: "x" },
    { name: "a merge of merges", text: "b: &b {x: 1}\nd: &d {<<: *b}\nc: {x: 2, <<: *d}\n", key: "x" },
  ])("$name is refused, because kubectl and other parsers disagree", ({ text, key }) => {
    const [document] = parseKubernetesYaml(text);
    expect(document?.errors.map(({ message }) => message)).toEqual([
      expect.stringContaining(`<< is after \`${key}\` and contains it too`),
    ]);
  });

  it("a merge after other keys is accepted", () => {
    const text = "b: &b {x: 1}\nc: {z: 2, <<: *b}\nd: {<<: [*b, {x: 3}], x: 4}\n";
    expect(parseKubernetesYaml(text)[0]?.toJS()).toMatchObject({ c: { x: 1, z: 2 }, d: { x: 4 } });
  });

  it("in any declared YAML version", () => {
    expect(parseKubernetesYaml("%YAML 1.2\n---\na: 0400\n")[0]?.toJS()).toEqual({ a: 256 });
  });
});

describe("formatted YAML", () => {
  it("quotes texts that YAML 1.1 or 1.2 would parse as another type", () => {
    const texts = ["yes", "0400", "0o7", "0B1", "1:30", "2024-02-03", "null", "", "1e3", "<<", "~"];
    for (const text of texts) expect(formatKubernetesYaml({ a: text })).toMatch(/^a: ["']/);
  });

  it("parses back to the same value", () => {
    const value = fc.dictionary(fc.string(), fc.jsonValue({ depthSize: "small" }));
    fc.assert(
      fc.property(value, (written) => {
        // JSON has no negative zero, and the Kubernetes API uses JSON.
        const plain: unknown = JSON.parse(JSON.stringify(written));
        expect(JSON.stringify(parseKubernetesYaml(formatKubernetesYaml(plain))[0]?.toJS())).toBe(JSON.stringify(plain));
      }),
      { numRuns: 500 },
    );
  });
});
