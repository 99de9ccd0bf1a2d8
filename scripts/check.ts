/**
 * All that stands between a change and main, in one command: format, lint, types, dead code, generated code, tests, and
 * that the tests have left nothing behind. The last line is the totals alone.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findGeneratedDrift } from "./generated-code.ts";

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Step {
  readonly name: string;
  readonly run: () => Totals;
}

const STEPS: readonly Step[] = [
  { name: "format and lint", run: () => runProgram("biome", ["ci", "--error-on-warnings", "."]) },
  { name: "types", run: () => runProgram("tsc", []) },
  { name: "dead code", run: () => runProgram("knip", []) },
  { name: "generated code is current", run: checkGenerated },
  { name: "tests", run: runTests },
];

const before = listLeftovers();
const results = STEPS.map(runStep);
results.push(runStep({ name: "nothing is left behind", run: () => checkLeftovers(before) }));
const totals = results.reduce(add, { passed: 0, failed: 0, skipped: 0 });
const skipped = totals.skipped === 0 ? "" : `, ${totals.skipped} skipped`;
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed${skipped}\n`);
process.exitCode = totals.failed === 0 ? 0 : 1;

function runStep(step: Step): Totals {
  const startedMs = Date.now();
  const result = step.run();
  const verdict = result.failed === 0 ? "ok" : "FAILED";
  process.stdout.write(`${verdict.padEnd(7)}${step.name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)\n`);
  return result;
}

function runProgram(program: string, args: readonly string[]): Totals {
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  return verdictOf(status === 0);
}

function checkGenerated(): Totals {
  const drift = findGeneratedDrift();
  for (const line of drift) process.stdout.write(`${line}\n`);
  return verdictOf(drift.length === 0);
}

function runTests(): Totals {
  const folder = mkdtempSync(join(tmpdir(), "entente-check-"));
  try {
    const file = join(folder, "totals.json");
    const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const { status } = spawnSync("vitest", args, { stdio: "inherit" });
    return readTotals(file, status);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts tests, and a run that failed outside of any test (a file that cannot be loaded) as one failure. */
function readTotals(file: string, status: number | null): Totals {
  let report: Record<string, unknown> = {};
  try {
    report = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const failed = numberOf(report["numFailedTests"]);
  return {
    passed: numberOf(report["numPassedTests"]),
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: numberOf(report["numPendingTests"]),
  };
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

/** Namespaces and interfaces that exist now, and processes of this project. */
function listLeftovers(): ReadonlySet<string> {
  const namespaces = lines("ip", ["netns", "list"]).map((line) => `network namespace ${line.split(" ")[0]}`);
  const interfaces = lines("ip", ["-o", "link"]).map((line) => `interface ${line.split(":")[1]?.trim()}`);
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => readCommandLine(pid).includes("cli/main.ts"))
    .map((pid) => `process ${pid}`);
  return new Set([...namespaces, ...interfaces, ...processes]);
}

function checkLeftovers(earlier: ReadonlySet<string>): Totals {
  const left = [...listLeftovers()].filter((entry) => !earlier.has(entry));
  for (const entry of left) process.stdout.write(`left behind: ${entry}\n`);
  return verdictOf(left.length === 0);
}

function readCommandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

function lines(program: string, args: readonly string[]): readonly string[] {
  const { stdout } = spawnSync(program, args, { encoding: "utf8" });
  return (stdout ?? "").split("\n").filter((line) => line !== "");
}

function verdictOf(isGood: boolean): Totals {
  return { passed: isGood ? 1 : 0, failed: isGood ? 0 : 1, skipped: 0 };
}

function add(one: Totals, other: Totals): Totals {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}
