import { spawn } from "node:child_process";
import { once } from "node:events";
import { execPath } from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { createLogger } from "../../../../cli/create-logger.ts";
import { runCli } from "../../../../cli/run-cli.ts";
import type { CommandResult } from "../pods/demo-pod.ts";

const ENTENTE = fileURLToPath(new URL("../../../../cli/main.ts", import.meta.url));

/** Runs the command line as a user does, and returns what it has printed. */
export async function runEntente(args: readonly string[], signal: AbortSignal): Promise<CommandResult> {
  const program = spawn(execPath, [ENTENTE, ...args], { stdio: ["ignore", "pipe", "pipe"], signal });
  const closed = once(program, "close");
  const [[status], stdout, stderr] = await Promise.all([closed, text(program.stdout), text(program.stderr)]);
  return { status: typeof status === "number" ? status : null, stdout, stderr };
}

/** The same without a process of its own, which takes seconds to start on a busy machine: for looking again and again. */
export async function runEntenteHere(args: readonly string[], signal: AbortSignal): Promise<CommandResult> {
  const printed = { stdout: "", stderr: "" };
  const status = await runCli(args, {
    env: process.env,
    stdout: (text) => {
      printed.stdout += text;
    },
    stderr: (text) => {
      printed.stderr += text;
    },
    log: createLogger("error"),
    isTerminal: false,
    signal,
  });
  return { status, ...printed };
}
