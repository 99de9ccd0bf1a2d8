import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** npm does not always pass the system's own folders on. */
const SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The bench's own virtual environment of Python, which brings Envoy. */
export const ENVOY_FOLDER = fileURLToPath(new URL("../node_modules/.cache/entente-bench/envoy", import.meta.url));

/** Where a program of the system, or Envoy, lies; `undefined`: it is not installed. */
export function findProgram(name: string): string | undefined {
  const ofSystem = `${process.env["PATH"] ?? ""}:${SYSTEM_FOLDERS}`.split(":").filter((folder) => folder !== "");
  const folders = name === "envoy" ? [`${ENVOY_FOLDER}/bin`] : ofSystem;
  return folders.map((folder) => `${folder}/${name}`).find((file) => existsSync(file));
}
