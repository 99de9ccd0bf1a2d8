import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Makes a named pipe in a folder. */
export function makePipe(folder: string): string {
  const file = join(folder, "pipe");
  execFileSync("sh", ["-c", 'mkfifo "$0"', file]);
  return file;
}
