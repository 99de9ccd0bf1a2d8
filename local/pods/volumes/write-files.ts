import { closeSync, fchmodSync, fchownSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { LocalError } from "../../local-error.ts";
import type { FileAccess } from "./file-access.ts";

export type VolumeFiles = Readonly<Record<string, string | Uint8Array>>;

/** Writes files into a volume's folder atomically: a reader never sees a partial file, nor one with other permissions. */
export function writeFiles(folder: string, files: VolumeFiles, access: FileAccess): void {
  for (const [name, content] of Object.entries(files)) {
    const file = join(folder, name);
    if (!file.startsWith(`${folder}/`))
      throw new LocalError("bad_manifest", `"${name}" is not a valid file name in a volume`);
    mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
    const temporary = join(dirname(file), `.${basename(file)}.new`);
    rmSync(temporary, { force: true });
    writeNewFile(temporary, content, access);
    renameSync(temporary, file);
  }
}

function writeNewFile(file: string, content: string | Uint8Array, { uid, gid, mode }: FileAccess): void {
  const fd = openSync(file, "wx", 0o600);
  try {
    fchownSync(fd, uid, gid);
    fchmodSync(fd, mode);
    writeFileSync(fd, content);
  } finally {
    closeSync(fd);
  }
}
