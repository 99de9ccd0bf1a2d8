import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";

/** What applying the rules touches of the machine; a fake in unit tests. */
export interface CaptureSystem {
  /** Runs a program to its end; `not_found` where PATH has none of that name. */
  run(file: string, args: readonly string[], stdin?: string): Promise<CommandResult>;
  /** The text of a file, or undefined where it is not there or cannot be read. */
  readText(path: string): Promise<string | undefined>;
}

export type CommandResult =
  | { readonly kind: "exited"; readonly status: number; readonly stdout: string; readonly stderr: string }
  | { readonly kind: "not_found" };

/** Longer than `--wait` lets iptables wait for its lock. */
const COMMAND_TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** The machine itself. `env` gives PATH; messages are asked for in English, because they are read. */
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
    // A program that ends before it has read its input closes the pipe; its exit status tells the rest.
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(stdin);
  });
}
