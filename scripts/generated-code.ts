import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Folders with a `.proto` file, the template of its code, and `gen/`. */
const APIS = ["mesh/api", "local/clients/api", "examples/hello-grpc/api"] as const;

/** Generates the code into a temporary folder and lists the committed files that differ; empty if all are current. */
export function findGeneratedDrift(): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), "entente-generate-"));
  try {
    return APIS.flatMap((api) => {
      const args = ["generate", "--template", `${api}/buf.gen.yaml`, "--output", folder];
      const result = spawnSync("buf", args, { encoding: "utf8" });
      if (result.status !== 0) return [`buf generate of ${api} failed: ${result.stderr}`];
      return compareFolders(join(folder, api, "gen"), `${api}/gen`);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function compareFolders(fresh: string, committed: string): readonly string[] {
  const names = new Set([...readdirSync(fresh), ...readdirSync(committed)]);
  return [...names]
    .filter((name) => readOrEmpty(join(fresh, name)) !== readOrEmpty(join(committed, name)))
    .map(
      (name) => `${join(committed, name)} differs from the code that its .proto file generates; run: npm run generate`,
    );
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
