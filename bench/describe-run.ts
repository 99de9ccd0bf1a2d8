import { spawnSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";
import { findProgram } from "./find-program.ts";

/** What a reader of figures must know of the machine that they come from. */
export interface RunDescription {
  readonly date: string;
  /** With `+` where the work tree had changes. */
  readonly commit: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryMb: number;
    readonly kernel: string;
  };
  /** Of Node and OpenSSL, and of each peer that is installed. */
  readonly versions: Readonly<Record<string, string>>;
}

const PROGRAMS = { envoy: "--version", haproxy: "-v", nginx: "-v", wrk: "-v", h2load: "--version" } as const;

/** Asks this machine. */
export function describeRun(now: Date): RunDescription {
  const versions: Record<string, string> = { node: process.version, openssl: process.versions.openssl };
  for (const [program, flag] of Object.entries(PROGRAMS)) {
    const file = findProgram(program);
    if (file !== undefined) versions[program] = firstVersionIn(runForText(file, flag));
  }
  const isChanged = runForText("git", "status", "--porcelain", "--untracked-files=no").trim() !== "";
  return {
    date: now.toISOString(),
    commit: runForText("git", "rev-parse", "--short", "HEAD").trim() + (isChanged ? "+" : ""),
    machine: {
      cpu: cpus()[0]?.model ?? "",
      cores: cpus().length,
      memoryMb: Math.round(totalmem() / 2 ** 20),
      kernel: release(),
    },
    versions,
  };
}

/** Two lines for a chart. */
export function formatCaption({ date, commit, machine, versions }: RunDescription): readonly string[] {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version.replace(/^v|[-+].*$/g, "")}`);
  return [
    `${date.slice(0, 10)} · commit ${commit} · ${machine.cores} cores ${machine.cpu} · Linux ${machine.kernel}`,
    programs.join(" · "),
  ];
}

/** What a program says on either output, whatever its status: wrk prints its version and fails. */
function runForText(program: string, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`;
}

function firstVersionIn(text: string): string {
  return /\d+\.\d+[\w.+~-]*/.exec(text)?.[0] ?? "";
}
