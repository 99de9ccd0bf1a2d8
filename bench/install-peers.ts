import { spawnSync } from "node:child_process";
import { existsSync, rmSync, writeFileSync } from "node:fs";

/** A program that the bench compares with, or loads with, and the Debian package that brings it. */
interface PeerProgram {
  readonly program: string;
  readonly package: string;
}

const PEER_PROGRAMS: readonly PeerProgram[] = [
  { program: "haproxy", package: "haproxy" },
  { program: "nginx", package: "nginx" },
  { program: "wrk", package: "wrk" },
];

/** Debian asks this file before it starts a service; 101 forbids it (invoke-rc.d(8)). */
const POLICY_FILE = "/usr/sbin/policy-rc.d";

export interface InstallOptions {
  readonly findProgram: (name: string) => string | undefined;
  /** Names of programs that the run would use; others are ignored. */
  readonly wanted: readonly string[];
}

/**
 * Installs what is missing through apt-get, as root on a system that has it; elsewhere does nothing, and the bench goes
 * without. The packages' services are not started.
 */
export function installPeers({ findProgram, wanted }: InstallOptions): void {
  const missing = PEER_PROGRAMS.filter(({ program }) => wanted.includes(program) && findProgram(program) === undefined);
  if (missing.length === 0 || process.getuid?.() !== 0 || findProgram("apt-get") === undefined) return;
  const packages = missing.map((entry) => entry.package);
  process.stderr.write(`Installing ${packages.join(", ")} with apt-get, without starting a service …\n`);
  withoutServices(() => apt(["install", ...packages]) || (apt(["update"]) && apt(["install", ...packages])));
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
  const result = spawnSync("apt-get", ["-qq", "-y", "--no-install-recommends", ...args], {
    stdio: ["ignore", "ignore", "ignore"],
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  return result.status === 0;
}
