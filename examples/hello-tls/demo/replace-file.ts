import { rename, writeFile } from "node:fs/promises";

/** In one step, so that no reader meets half a file. */
export async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}
