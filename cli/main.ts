#!/usr/bin/env node
import { createLogger } from "./create-logger.ts";
import { watchProcess } from "./process-faults.ts";
import { runCli } from "./run-cli.ts";

const argv = process.argv.slice(2);
const log = createLogger(process.env["ENTENTE_LOG_LEVEL"] ?? "info");
const stderr = (text: string): boolean => process.stderr.write(text);
watchProcess(process, { command: argv[0], log, stderr });

const controller = new AbortController();
for (const name of ["SIGTERM", "SIGINT"] as const) {
  process.once(name, () => controller.abort(new Error(`stopped by ${name}`)));
}

// The timers of our code do not keep a process alive: a command that waits for its next attempt would end without a word.
const keepAlive = setInterval(() => undefined, 60_000);

process.exitCode = await runCli(argv, {
  env: process.env,
  stdout: (text) => process.stdout.write(text),
  stderr,
  log,
  isTerminal: process.stdout.isTTY === true,
  signal: controller.signal,
});

clearInterval(keepAlive);
