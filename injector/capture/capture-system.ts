import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/** The system calls that applying the rules needs; unit tests use a fake. */
export interface CaptureSystem {
  /** Runs a program to its end; `not_found` if PATH does not contain it. */
  run(file: string, args: readonly string[], stdin?: string): Promise<CommandResult>;
  /** The text of a file, or undefined if it does not exist or cannot be read. */
  readText(path: string): Promise<string | undefined>;
}

export type CommandResult =
  | { readonly kind: "exited"; readonly status: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: "not_found" };

/** Longer than the time for which `--wait` lets iptables wait for its lock. */
const COMMAND_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** The real system. `env` provides PATH; messages are requested in English, because they are parsed. */
export function createCaptureSystem(env: Readonly<Record<string, string | undefined>>): CaptureSystem {
  return {
    run: (file, args, stdin = "") => runCommand({ file, args, stdin, env: { ...env, LC_ALL: "C" } }),
    readText: (path) => readFile(path, "utf8").catch(() => undefined),
  };
}

interface Invocation {
  readonly file: string;
  readonly args: readonly string[];
  readonly stdin: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

function runCommand({ file, args, stdin, env }: Invocation): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const options = { env, timeout: COMMAND_TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES };
    const child = execFile(file, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve({ kind: "exited", status: 0, stdout, stderr });
      else if (error.code === "ENOENT") resolve({ kind: "not_found" });
      else if (typeof error.code === "number") resolve({ kind: "exited", status: error.code, stdout, stderr });
      else reject(error);
    });
    // A program that ends before it has read its input closes the pipe; its exit status is what counts.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(stdin);
  });
}
