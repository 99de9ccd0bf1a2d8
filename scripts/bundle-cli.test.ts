import { expect, it } from "vitest";
import { bundleCli } from "./bundle-cli.ts";

it("the sidecar's process loads no schemas, no YAML and no certificate authority", async () => {
  const { outputs } = await bundleCli({ write: false, outdir: "dist" });
  const byPath = new Map(outputs.map((output) => [output.path, output]));
  const loaded = new Set<string>();
  const queue = outputs.filter((output) => output.inputs.includes("cli/proxy.ts")).map(({ path }) => path);
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const output = byPath.get(path);
    if (output === undefined || loaded.has(path)) continue;
    loaded.add(path);
    queue.push(...output.imports);
  }
  const inputs = [...loaded].flatMap((path) => byPath.get(path)?.inputs ?? []);
  expect(inputs).toContain("cli/proxy.ts");
  const unwanted = inputs.filter((input) =>
    /node_modules\/(zod|yaml|jose)\/|^(ca-agent|discovery|injector|local)\//.test(input),
  );
  expect(unwanted).toEqual([]);
});
