import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";

/**
 * The objects that an API server would add to the user's: pods with their status, Services with their addresses. The
 * control plane watches this folder together with the user's, and applies these objects later.
 */
export interface ClusterStore {
  readonly folder: string;
  /** Writes the objects as one file, unless it contains them already. */
  put(key: string, objects: readonly unknown[]): void;
  remove(key: string): void;
}

export function createClusterStore(folder: string): ClusterStore {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o755);
  /** By key, as JSON: formatting YAML takes much longer. */
  const stored = new Map<string, string>();
  return {
    folder,
    put: (key, objects) => {
      const content = JSON.stringify(objects);
      if (stored.get(key) === content) return;
      const temporary = join(folder, `.${key}.new`);
      writeFileSync(temporary, objects.map(formatKubernetesYaml).join("---\n"), { mode: 0o644 });
      renameSync(temporary, join(folder, `${key}.yaml`));
      stored.set(key, content);
    },
    remove: (key) => {
      rmSync(join(folder, `${key}.yaml`), { force: true });
      stored.delete(key);
    },
  };
}
