import { existsSync } from "node:fs";

/** npm does not always pass the system's own folders on. */
const SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where a program of the system lies; `undefined`: it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = `${process.env["PATH"] ?? ""}:${SYSTEM_FOLDERS}`.split(":").filter((folder) => folder !== "");
  return folders.map((folder) => `${folder}/${name}`).find((file) => existsSync(file));
}
