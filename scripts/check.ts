/**
 * All checks that a change must pass, in one command: format, lint, types, dead code, generated code, tests, and that
 * the tests left nothing behind. The last line contains only the totals.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leftoversOf } from "../local/system/leftovers-fixture.ts";
import { findGeneratedDrift } from "./generated-code.ts";
import { readTestReport, type Totals } from "./test-report.ts";

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
  { name: "nothing is left behind", run: checkLeftovers },
];

const USAGE = `Usage: npm run check

Runs all checks that a change must pass, which takes about ten minutes:
${STEPS.map(({ name }) => `  ${name}\n`).join("")}`;
const args = process.argv.slice(2);
if (args.length > 0) {
  const isHelp = args.every((arg) => arg === "--help" || arg === "-h");
  if (isHelp) process.stdout.write(USAGE);
  else process.stderr.write(`unexpected argument ${JSON.stringify(args[0])}\n${USAGE}`);
  process.exit(isHelp ? 0 : 2);
}

/** The environment variable with the name of the file in which test processes record their ids. */
const LEDGER = "ENTENTE_CHECK_LEDGER";
const scratch = mkdtempSync(join(tmpdir(), "entente-check-"));
const ledger = join(scratch, "test-processes");
/** Shown again at the end, where many lines of other tests do not hide them. */
const failed: string[] = [];
const results = STEPS.map(runStep);
rmSync(scratch, { recursive: true, force: true });
const totals = results.reduce(add, { passed: 0, failed: 0, skipped: 0 });
for (const failure of failed) process.stdout.write(`failed: ${failure}\n`);
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
  const file = join(scratch, "totals.json");
  const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const env = { ...process.env, [LEDGER]: ledger };
  const { status } = spawnSync("vitest", args, { stdio: "inherit", env });
  const { totals, failures } = readTestReport(existsSync(file) ? readFileSync(file, "utf8") : undefined, status);
  failed.push(...failures);
  return totals;
}

/**
 * What the test processes left behind: namespaces, links, rules, mounts and run folders with their process ids, and
 * running processes with the ledger's name in their environment. What other programs, or another run of this command,
 * create meanwhile does not count.
 */
function checkLeftovers(): Totals {
  const testPids = lines(ledger).map(Number);
  const left = [...leftoversOf(testPids), ...listProcesses().map((pid) => `process: ${pid}`)];
  for (const entry of left) process.stdout.write(`left behind: ${entry}\n`);
  return verdictOf(left.length === 0);
}

function listProcesses(): readonly string[] {
  const mark = `${LEDGER}=${ledger}`;
  return readdirSync("/proc").filter(
    (name) => /^\d+$/.test(name) && lines(`/proc/${name}/environ`, "\0").includes(mark),
  );
}

function lines(file: string, separator = "\n"): readonly string[] {
  try {
    return readFileSync(file, "utf8")
      .split(separator)
      .filter((line) => line !== "");
  } catch {
    return [];
  }
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
