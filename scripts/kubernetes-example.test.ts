import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { renderInstallation } from "../install/render-installation.ts";
import { parseInstallValues } from "../install/values/parse-values.ts";
import { createKubectl, HAS_KUBECTL } from "../kubernetes/test-server/kubectl-fixture.ts";
import { parseKubernetesYaml } from "../mesh/resources/parsing/kubernetes-yaml.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { EXAMPLE_FOLDER, renderKubernetesExample } from "./kubernetes-example.ts";

const INSTALLED = renderInstallation(parseInstallValues()).flatMap(({ objects }) => objects);

function parseObjects(text: string): readonly unknown[] {
  return parseKubernetesYaml(text).map((document): unknown => document.toJS());
}

/** The objects of a kustomization, read as kustomize does: each resource is a file, or a folder with one of its own. */
function readKustomization(folder: string): readonly unknown[] {
  const [kustomization] = parseObjects(readFileSync(join(folder, "kustomization.yaml"), "utf8"));
  const resources: readonly string[] = Object(kustomization).resources;
  return resources.flatMap((name) =>
    name.endsWith(".yaml")
      ? parseObjects(readFileSync(join(folder, name), "utf8"))
      : readKustomization(join(folder, name)),
  );
}

function sorted(objects: readonly unknown[]): readonly string[] {
  return objects.map((object) => JSON.stringify(sortKeys(object))).toSorted();
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([name, child]) => [name, sortKeys(child)]));
}

describe("examples/kubernetes", () => {
  it("is current; `npm run manifests` writes it", () => {
    const rendered = renderKubernetesExample();
    const committed = readdirSync(EXAMPLE_FOLDER, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".yaml"))
      .toSorted();
    expect(committed).toEqual([...rendered.keys()].toSorted());
    for (const [name, text] of rendered) expect(readFileSync(join(EXAMPLE_FOLDER, name), "utf8")).toBe(text);
  });

  it("has exactly the objects that `entente install` applies", () => {
    expect(sorted(readKustomization(EXAMPLE_FOLDER))).toEqual(sorted(INSTALLED));
  });

  it.skipIf(!HAS_KUBECTL)("is the same for kubectl's kustomize", async () => {
    const cleanup = new Cleanup();
    try {
      const { stdout, stderr, status } = await createKubectl("", cleanup).try("kustomize", EXAMPLE_FOLDER);
      expect([status, stderr]).toEqual([0, ""]);
      expect(sorted(parseObjects(stdout))).toEqual(sorted(INSTALLED));
    } finally {
      await cleanup.run();
    }
  });
});
