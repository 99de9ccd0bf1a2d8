import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseResources } from "../../../mesh/resources/parsing/parse-resources.ts";

const FILES = ["10-mesh-mtls.yaml", "20-applications.yaml", "30-routing.yaml"] as const;
const OWN_FILES = ["40-injection-labels.yaml", "50-legacy.yaml"] as const;

function readManifest(name: string): string {
  return readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
}

const SEED = readFileSync(new URL("seed-manifests.fixture.md", import.meta.url), "utf8");

/** The fenced blocks of the document, in its order. */
const SEED_BLOCKS = [...SEED.matchAll(/^```\n([\s\S]*?)^```$/gm)].map(([, block]) => block ?? "");

describe("the manifests of hello-tls", () => {
  it.each(FILES.map((file, index) => ({ file, index })))(
    "$file is the document's block $index, word for word",
    ({ file, index }) => {
      expect(SEED_BLOCKS).toHaveLength(FILES.length);
      expect(readManifest(file)).toBe(SEED_BLOCKS[index]);
    },
  );

  it.each([...FILES, ...OWN_FILES])("%s is understood without an error", (file) => {
    const { resources, problems } = parseResources({ text: readManifest(file), file });
    expect(problems.filter((problem) => problem.severity === "error")).toEqual([]);
    expect(resources.length).toBeGreaterThan(1);
  });

  it("labels both application namespaces for injection, and the legacy one not", () => {
    const text = OWN_FILES.map(readManifest).join("---\n");
    const { resources } = parseResources({ text, file: "own files" });
    const labels = resources.flatMap((resource) =>
      resource.kind === "Namespace" ? [[resource.metadata.name, resource.metadata.labels["istio-injection"]]] : [],
    );
    expect(labels).toEqual([
      ["ns1", "enabled"],
      ["ns2", "enabled"],
      ["legacy", undefined],
    ]);
  });
});
