import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseResources } from "../resources/parsing/parse-resources.ts";
import { RESOURCE_KINDS } from "../resources/resource-kinds.ts";
import { createResourceSet } from "../resources/resource-set.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";

/** Parses, and checks the properties that hold for any input. */
function parseAndCheck(text: string): void {
  const { resources, problems } = parseResources({ text, file: "a.yaml" });
  for (const problem of problems) {
    expect(problem.line).toBeGreaterThan(0);
    expect(problem.message).not.toBe("");
  }
  expect(analyzeResourceSet(createResourceSet(resources)).every(({ severity }) => severity === "warning")).toBe(true);
}

const yamlLike = fc
  .array(
    fc.constantFrom(
      "apiVersion",
      "kind",
      ": ",
      "\n",
      "  ",
      "- ",
      "---\n",
      "{",
      "}",
      "[",
      "]",
      "&a",
      "*a",
      "!!x",
      "|",
      "'",
      '"',
      "#",
      "v1",
      "Pod",
      "spec",
      "<<",
      "\t",
      "? ",
      "%TAG",
      "\0",
    ),
    { maxLength: 60 },
  )
  .map((parts) => parts.join(""));

/** Fields of the schemas, with arbitrary JSON values. */
const field = fc.constantFrom(
  "host",
  "tls",
  "mode",
  "mtls",
  "peers",
  "targets",
  "selector",
  "matchLabels",
  "portLevelMtls",
  "trafficPolicy",
  "subsets",
  "hosts",
  "gateways",
  "http",
  "match",
  "route",
  "destination",
  "servers",
  "port",
  "number",
  "ports",
  "clusterIP",
  "containers",
  "status",
  "podIP",
);
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { depthSize: "small" },
    fc.jsonValue(),
    fc.constantFrom("default", 80, "STRICT", {}, [], null),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(field, tie("any"), { maxKeys: 4 }),
  ),
})).any;

describe("parseResources", () => {
  it("never throws on arbitrary text", () => {
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), parseAndCheck), { numRuns: 500 });
  });

  it("never throws on YAML-like text", () => {
    fc.assert(fc.property(yamlLike, parseAndCheck), { numRuns: 2000 });
  });

  it("never throws on a resource with arbitrary content", () => {
    const document = fc.record(
      {
        description: fc.constantFrom(...RESOURCE_KINDS),
        metadata: fc.oneof(fc.constant({ name: "default" }), fc.constant({ name: "x", namespace: "ns1" }), value),
        spec: fc.oneof(fc.dictionary(field, value, { maxKeys: 5 }), value),
        status: value,
      },
      { requiredKeys: ["description"] },
    );
    fc.assert(
      fc.property(document, ({ description, ...rest }) => {
        const apiVersion = description.group === "" ? "v1" : `${description.group}/${description.versions[0]}`;
        parseAndCheck(JSON.stringify({ apiVersion, kind: description.kind, ...rest }));
      }),
      { numRuns: 2000 },
    );
  });
});
