import { constants, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseKubernetesYaml } from "../mesh/resources/parsing/kubernetes-yaml.ts";
import { LocalError } from "./local-error.ts";

/** A Kubernetes object of a manifest file, with the namespace that `kubectl apply` would use. */
export interface Manifest {
  readonly kind: string;
  readonly name: string;
  /** Empty for cluster-wide kinds. */
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly object: Readonly<Record<string, unknown>>;
  readonly file: string;
}

const WITHOUT_NAMESPACE = new Set([
  "Namespace",
  "MeshPolicy",
  "MutatingWebhookConfiguration",
  "ClusterRole",
  "ClusterRoleBinding",
]);
/** More YAML aliases than any manifest has; bounds recursive aliases. */
const MAX_ALIASES = 100;

/**
 * Reads the folder's YAML files like the control plane: *.yaml and *.yml in lexical order, without hidden ones. A
 * LocalError names the invalid file and line.
 */
export function readManifests(folder: string): readonly Manifest[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (cause) {
    throw new LocalError("bad_manifest", `cannot read the folder ${folder}: check that it exists and is a folder`, {
      cause,
    });
  }
  const files = names.filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
  if (files.length === 0) throw new LocalError("bad_manifest", `the folder ${folder} contains no .yaml file`);
  return [folder, ...files.map((name) => join(folder, name))].flatMap((path) => {
    const isFolder = path === folder;
    checkReadable(path, isFolder);
    return isFolder ? [] : parseManifests(readFileSync(path, "utf8"), path);
  });
}

/** The control plane reads the same files as another user. An unreadable policy would not be in force. */
function checkReadable(path: string, isFolder: boolean): void {
  const needed = constants.S_IROTH | (isFolder ? constants.S_IXOTH : 0);
  if ((statSync(path).mode & needed) === needed) return;
  const fix = `run: chmod o+r${isFolder ? "x" : ""} ${path}`;
  throw new LocalError(
    "bad_manifest",
    `other users cannot read ${path}, and the control plane runs as another user; ${fix}`,
  );
}

/** Parses a text with several documents; a List is replaced by its items. */
export function parseManifests(text: string, file: string): readonly Manifest[] {
  return parseKubernetesYaml(text).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      throw new LocalError("bad_manifest", `${file}:${error.linePos?.[0].line ?? 1}: ${error.message.split("\n")[0]}`);
    }
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return value === null ? [] : manifestsFrom(value, file);
  });
}

function manifestsFrom(value: unknown, file: string): readonly Manifest[] {
  const { kind, items } = recordOf(value);
  if (typeof kind !== "string" || !kind.endsWith("List") || !Array.isArray(items)) return [manifestFrom(value, file)];
  return items.flatMap((item: unknown) => manifestsFrom(item, file));
}

function manifestFrom(value: unknown, file: string): Manifest {
  const object = recordOf(value);
  const metadata = recordOf(object["metadata"]);
  const { kind } = object;
  const { name } = metadata;
  if (typeof kind !== "string" || typeof name !== "string") {
    throw new LocalError("bad_manifest", `${file}: a document has no kind or no metadata.name`);
  }
  const given = metadata["namespace"];
  const namespace = WITHOUT_NAMESPACE.has(kind) ? "" : typeof given === "string" ? given : "default";
  return { kind, name, namespace, labels: stringsOf(metadata["labels"]), object, file };
}

/** An object's fields; none for any other value. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The string-valued fields of an object. */
export function stringsOf(value: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(recordOf(value)).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  return Object.fromEntries(entries);
}
