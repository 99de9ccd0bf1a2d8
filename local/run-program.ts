import { spawnSync } from "node:child_process";
import { LocalError } from "./local-error.ts";

export interface ProgramOptions {
  readonly input?: string;
}

/** Runs a system program and returns its output; a LocalError contains its standard error. */
export function runProgram(program: string, args: readonly string[], options: ProgramOptions = {}): string {
  const { error, status, stdout, stderr } = spawnSync(program, [...args], { encoding: "utf8", ...options });
  if (error !== undefined)
    throw new LocalError("command_failed", `cannot run ${program}: ${error.message}`, { cause: error });
  if (status !== 0) {
    const details = { program, args, status };
    throw new LocalError("command_failed", `${program} ${args.join(" ")} failed: ${stderr.trim()}`, { details });
  }
  return stdout;
}
