import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseResources } from "../../../../mesh/resources/parsing/parse-resources.ts";
import { makePermissive } from "./check-policy.ts";

const STRICT = readFileSync(new URL("../../10-mesh-mtls.yaml", import.meta.url), "utf8");

function readMode(text: string): unknown {
  const { resources, problems } = parseResources({ text, file: "policy" });
  expect(problems).toEqual([]);
  return resources.find((resource) => resource.kind === "MeshPolicy")?.spec;
}

describe("makePermissive", () => {
  it("changes the mode of the document's MeshPolicy and nothing else", () => {
    expect(JSON.stringify(readMode(makePermissive(STRICT)))).toContain("PERMISSIVE");
    expect(JSON.stringify(readMode(STRICT))).not.toContain("PERMISSIVE");
    expect(makePermissive(STRICT).split("\n")).toHaveLength(STRICT.split("\n").length);
  });

  it("does not pretend to have changed a policy that it does not know", () => {
    expect(() => makePermissive("spec: {}")).toThrow(/MeshPolicy/);
  });
});
