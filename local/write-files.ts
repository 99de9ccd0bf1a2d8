import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LocalError } from "./local-error.ts";

/** Writes files into a folder, readable by every user and atomically: a reader never sees a partial file. */
export function writeFiles(folder: string, files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    if (!file.startsWith(`${folder}/`))
      throw new LocalError("bad_manifest", `"${name}" is not a valid file name in a volume`);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    const temporary = join(dirname(file), `.${basename(file)}.new`);
    writeFileSync(temporary, content, { mode: 0o644 });
    renameSync(temporary, file);
  }
}
