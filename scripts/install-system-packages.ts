/**
 * Installs missing system programs with apt-get, if run as root on a system that has it; otherwise prints what to
 * install. The npm scripts run it first. Prints nothing if nothing is missing.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { findMissing, formatMissing } from "./system-packages.ts";

/** npm does not always pass on the system's own folders. */
const SYSTEM_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

process.exitCode = installMissing();

function installMissing(): number {
  const path = `${process.env["PATH"] ?? ""}:${SYSTEM_FOLDERS}`;
  const missing = findMissing(path, existsSync);
  if (missing.length === 0) return 0;
  if (process.getuid?.() !== 0 || !path.split(":").some((folder) => existsSync(`${folder}/apt-get`))) {
    process.stderr.write(formatMissing(missing));
    return 1;
  }
  const packages = [...new Set(missing.map((entry) => entry.package))];
  process.stderr.write(`Installing ${packages.join(", ")} with apt-get …\n`);
  const installed = apt(["install", ...packages]) || (apt(["update"]) && apt(["install", ...packages]));
  if (installed && findMissing(path, existsSync).length === 0) return 0;
  process.stderr.write(formatMissing(findMissing(path, existsSync)));
  return 1;
}

function apt(args: readonly string[]): boolean {
  const result = spawnSync("apt-get", ["-qq", "-y", "--no-install-recommends", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  return result.status === 0;
}
