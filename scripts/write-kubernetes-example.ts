/** Writes `examples/kubernetes` anew: `npm run manifests`. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { EXAMPLE_FOLDER, renderKubernetesExample } from "./kubernetes-example.ts";

for (const folder of ["crds", "mesh"]) rmSync(join(EXAMPLE_FOLDER, folder), { recursive: true, force: true });
for (const [name, text] of renderKubernetesExample()) {
  const path = join(EXAMPLE_FOLDER, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  process.stdout.write(`${path}\n`);
}
