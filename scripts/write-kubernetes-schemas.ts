/**
 * Writes the schemas of a Kubernetes version to `install/api-schemas/`:
 * `node scripts/write-kubernetes-schemas.ts 1.36.3 swagger.json`. The document is `api/openapi-spec/swagger.json` of that
 * release's sources, or the output of `kubectl get --raw /openapi/v2` on a cluster of that version.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { extractKubernetesSchemas, SCHEMA_FOLDER } from "./kubernetes-schemas.ts";

const [version = "", file] = process.argv.slice(2);
const minor = /^1\.\d+(?=\.\d+$)/.exec(version)?.[0];
if (minor === undefined || file === undefined) {
  process.stderr.write("usage: node scripts/write-kubernetes-schemas.ts 1.MINOR.PATCH OPENAPI-FILE\n");
  process.exit(2);
}
const path = join(SCHEMA_FOLDER, `kubernetes-${minor}.json`);
writeFileSync(path, extractKubernetesSchemas(version, JSON.parse(readFileSync(file, "utf8"))));
process.stdout.write(`${path}\n`);
