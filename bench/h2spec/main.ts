/**
 * Runs h2spec, a conformance test of HTTP/2, against a server of our engine on loopback, and compares its failures with
 * the accepted ones. Ends with 1 when they differ. See ../README.md.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startEngineEchoServer } from "../../proxy/http2/conformance/engine-echo-server-fixture.ts";
import { findProgram } from "../find-program.ts";
import { ACCEPTED_DEVIATIONS, judgeResults } from "./judge-results.ts";
import { parseReport } from "./parse-report.ts";

const INSTALL = "go install github.com/summerwind/h2spec/cmd/h2spec@latest";

/** h2spec sends a second frame behind a request and expects an error for it: not on a stream that is already served. */
const RESPONSE_MS = 100;

const { values } = parseArgs({
  options: { h2spec: { type: "string" }, timeout: { type: "string", default: "2" } },
});

/** Runs all tests, the strict ones included, and returns the JUnit report. */
async function runH2spec(program: string, port: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "entente-h2spec-"));
  const report = join(folder, "report.xml");
  const args = ["-h", "127.0.0.1", "-p", String(port), "-S", "-o", values.timeout, "-j", report];
  try {
    await once(spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] }), "close");
    return readFileSync(report, "utf8");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const program = values.h2spec ?? findProgram("h2spec");
if (program === undefined) {
  process.stderr.write(`h2spec is not in PATH: ${INSTALL}, or --h2spec FILE\n`);
  process.exit(2);
}
const server = await startEngineEchoServer({ responseMs: RESPONSE_MS });
const results = parseReport(await runH2spec(program, server.port));
server.close();
const { passed, unexpected, outdated } = judgeResults(results);
for (const { section, test, reason } of ACCEPTED_DEVIATIONS)
  process.stdout.write(`accepted: ${section} ${test}: ${reason}\n`);
for (const test of unexpected) process.stdout.write(`FAILED, not accepted: ${test}\n`);
for (const test of outdated) process.stdout.write(`passed, although accepted as a deviation: ${test}\n`);
process.stdout.write(`${passed} of ${results.length} passed, ${ACCEPTED_DEVIATIONS.length} accepted\n`);
process.exitCode = unexpected.length + outdated.length === 0 ? 0 : 1;
