import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ISTIO_FORM } from "../../ca-agent/authority/authority-files.ts";
import { listGenerations } from "../../ca-agent/rotation/storage/own-directory.ts";

/**
 * The roots that the authority of a directory trusts now, PEM: an operator's, else those of the newest step of a rotation.
 * While a step is being stored, a directory can vanish between two looks: then the roots are those of the last one.
 * @param initial the roots before the first look
 */
export function followTrustedRoots(directory: string, initial: string): () => Promise<string> {
  let last = initial;
  return async () => {
    last = (await readRoots(directory)) ?? last;
    return last;
  };
}

async function readRoots(directory: string): Promise<string | undefined> {
  const generations = await listGenerations(directory);
  for (const path of [directory, ...generations.map((generation) => generation.path)]) {
    // A root that was never rotated is its own bundle.
    const text = (await readText(join(path, ISTIO_FORM.roots))) ?? (await readText(join(path, ISTIO_FORM.certificate)));
    if (text !== undefined) return text;
  }
  return undefined;
}

async function readText(path: string): Promise<string | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text === "" ? undefined : text;
}
