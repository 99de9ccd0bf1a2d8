import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isNoSuchFile, MeshError } from "../mesh/mesh-error.ts";
import { parseKubernetesYaml } from "../mesh/resources/parsing/kubernetes-yaml.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";
import { type Fields, isFields } from "./requests/api-response.ts";

/** What one or several kubeconfig files say together, with absolute paths. */
export interface KubeConfigContent {
  /** For messages. */
  readonly files: string;
  readonly clusters: readonly Fields[];
  readonly users: readonly Fields[];
  readonly contexts: readonly Fields[];
  readonly currentContext: string | undefined;
}

/** Fields with a file's path, relative to the kubeconfig's folder. */
const PATH_FIELDS = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/** Reads the files as kubectl does: of two entries with one name the first counts, absent files are skipped. */
export async function readKubeConfigFiles(paths: readonly string[]): Promise<KubeConfigContent> {
  const files = paths.join(", ");
  const contents = (await Promise.all(paths.map(readOne))).flatMap((content) => content ?? []);
  if (contents.length === 0) throw unusable(files, "there is no such file: check KUBECONFIG or --kubeconfig");
  return {
    files,
    clusters: firstOfEachName(contents.flatMap(({ clusters }) => clusters)),
    users: firstOfEachName(contents.flatMap(({ users }) => users)),
    contexts: firstOfEachName(contents.flatMap(({ contexts }) => contexts)),
    currentContext: contents.find(({ currentContext }) => currentContext !== undefined)?.currentContext,
  };
}

async function readOne(path: string): Promise<KubeConfigContent | undefined> {
  try {
    return parseKubeConfig(await readFile(path, "utf8"), path);
  } catch (caught) {
    if (isNoSuchFile(caught)) return undefined;
    if (caught instanceof KubernetesApiError) throw caught;
    throw unusable(path, MeshError.from(caught).message);
  }
}

/** The content of one file. Errors do not repeat the text: it holds credentials. */
export function parseKubeConfig(text: string, path: string): KubeConfigContent {
  const [document, ...others] = parseKubernetesYaml(text);
  const [fault] = document?.errors ?? [];
  if (fault !== undefined) {
    throw unusable(path, `it is not YAML at line ${fault.linePos?.[0].line ?? "?"} (${fault.code})`);
  }
  const value: unknown = document?.toJS() ?? {};
  if (!isFields(value) || others.length > 0) throw unusable(path, "it is not one YAML mapping");
  const folder = dirname(resolve(path));
  const current = value["current-context"];
  return {
    files: path,
    clusters: entries(value["clusters"], "cluster", folder),
    users: entries(value["users"], "user", folder),
    contexts: entries(value["contexts"], "context", folder),
    currentContext: typeof current === "string" && current !== "" ? current : undefined,
  };
}

/** Reports that a kubeconfig cannot be used. */
export function unusable(files: string, why: string): KubernetesApiError {
  return new KubernetesApiError("api_credentials", `the kubeconfig ${files} cannot be used: ${why}`);
}

function entries(value: unknown, part: string, folder: string): readonly Fields[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    if (!isFields(entry) || typeof entry["name"] !== "string") return [];
    const fields = isFields(entry[part]) ? entry[part] : {};
    return [{ name: entry["name"], [part]: withAbsolutePaths(fields, folder) }];
  });
}

function withAbsolutePaths(fields: Fields, folder: string): Fields {
  const absolute = PATH_FIELDS.flatMap((field) => {
    const path = fields[field];
    return typeof path === "string" && path !== "" ? [[field, resolve(folder, path)]] : [];
  });
  return { ...fields, ...Object.fromEntries(absolute) };
}

function firstOfEachName(all: readonly Fields[]): readonly Fields[] {
  const names = new Set<unknown>();
  return all.filter(({ name }) => !names.has(name) && names.add(name));
}
