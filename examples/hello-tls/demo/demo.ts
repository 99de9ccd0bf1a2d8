/** `npm run demo`: brings the manifests of this folder up on this machine, and checks all that they promise. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { decidePace, scaleLimit } from "./demo-pace.ts";
import { formatTotals } from "./demo-report.ts";
import { parseDemoOptions } from "./parse-demo-options.ts";
import { createProgressLine, type TextOutput } from "./progress-line.ts";
import { CHECKS, runDemo } from "./run-demo.ts";
import { startDemoCluster } from "./start-demo-cluster.ts";
import { createTextStyle } from "./text-style.ts";

/** Of compiled modules, for the programs that the demo starts in its pods again and again; kept between two runs. */
process.env["NODE_COMPILE_CACHE"] ??= fileURLToPath(
  new URL("../../../node_modules/.cache/compiled-modules", import.meta.url),
);

/** Whatever happens, the demo comes to an end. */
const DEADLINE_MS = 240_000;
/** From the process's start: how fast the machine is. */
const STARTED_MS = performance.now();

const choice = parseDemoOptions(process.argv.slice(2), CHECKS);
if (choice.kind === "usage") {
  (choice.status === 0 ? process.stdout : process.stderr).write(choice.text);
  process.exit(choice.status);
}
const { checks } = choice;
const pace = decidePace(STARTED_MS);
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => interrupted.abort(new Error(`stopped by ${name}`)));
}
const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(scaleLimit(DEADLINE_MS, pace))]);
const output: TextOutput = {
  isTerminal: process.stdout.isTTY === true,
  // Some terminals say 0.
  columns: process.stdout.columns > 0 ? process.stdout.columns : 80,
  write: (text) => process.stdout.write(text),
};
const style = createTextStyle({ isTerminal: output.isTerminal, noColor: process.env["NO_COLOR"] });
const progress = createProgressLine(output);
const scratchFolder = await mkdtemp(join(tmpdir(), "entente-demo-"));
try {
  const totals = await runDemo({
    output,
    style,
    progress,
    startCluster: (onProgress) => startDemoCluster({ scratchFolder, pace, onProgress, signal }),
    checks,
    scratchFolder,
    signal,
  });
  process.exitCode = totals.failed === 0 ? 0 : 1;
} catch (caught) {
  progress.clear();
  const reason = signal.aborted ? signal.reason : caught;
  output.write(`${style("bad", "The demo did not run to its end:")} ${describe(reason)}\n`);
  output.write(formatTotals({ passed: 0, failed: 1 }));
  process.exitCode = interrupted.signal.aborted ? 130 : 1;
} finally {
  await rm(scratchFolder, { recursive: true, force: true });
}

function describe(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
