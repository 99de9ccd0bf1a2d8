import { spawn } from "node:child_process";
import { endWith } from "./container-command.ts";

export interface ExecResult {
  /** `null`: killed by a signal, or not started. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  readonly signal?: AbortSignal;
  /** @default 30000 */
  readonly timeoutMs?: number;
}

export interface ExecTarget {
  readonly namespace: string;
  readonly hostsFile: string;
  readonly resolverFile: string;
}

/** A command with more output is killed. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;
const SCRIPT = [
  "set -e",
  'mount --bind "$1" /etc/hosts',
  'if [ -e /etc/resolv.conf ]; then mount --bind "$2" /etc/resolv.conf; fi',
  "shift 2",
  'exec setpriv "$@"',
].join("\n");

/** Runs a command in a pod's network and with its names, like `kubectl exec` into a root container. */
export function execInPod(
  target: ExecTarget,
  command: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const files = [target.hostsFile, target.resolverFile];
  const args = [
    "netns",
    "exec",
    target.namespace,
    "sh",
    "-c",
    SCRIPT,
    "sh",
    ...files,
    ...endWith(process.pid),
    ...command,
  ];
  return new Promise((resolve) => {
    const child = spawn("ip", args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: options.timeoutMs ?? 30_000,
      killSignal: "SIGKILL",
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const output = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    let bytes = 0;
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes <= MAX_OUTPUT_BYTES) output[name].push(chunk);
        else child.kill("SIGKILL");
      });
    }
    const textOf = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString("utf8");
    child.once("error", (error) => resolve({ status: null, stdout: textOf(output.stdout), stderr: error.message }));
    child.once("close", (status) => resolve({ status, stdout: textOf(output.stdout), stderr: textOf(output.stderr) }));
  });
}
