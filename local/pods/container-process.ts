import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { LocalError } from "../local-error.ts";

/** A running container. */
export interface ContainerProcess {
  readonly pid: number;
  readonly logFile: string;
  /** Resolves with the exit status, or with the signal's name. */
  readonly ended: Promise<number | string>;
  isRunning(): boolean;
  kill(signal: NodeJS.Signals): void;
}

/** Starts a container; both outputs go to its log file. */
export function startContainerProcess(options: {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
}): ContainerProcess {
  const [program = "", ...args] = options.command;
  const log = openSync(options.logFile, "a", 0o644);
  const child = spawn(program, args, {
    cwd: "/",
    env: { ...options.environment },
    stdio: ["ignore", log, log],
    // A separate process group, so that Ctrl-C on the terminal reaches only us and we choose the order.
    detached: true,
  });
  closeSync(log);
  const ended = awaitEnd(child);
  return {
    pid: child.pid ?? -1,
    logFile: options.logFile,
    ended,
    isRunning: () => child.pid !== undefined && child.exitCode === null && child.signalCode === null,
    kill: (signal) => void child.kill(signal),
  };
}

function awaitEnd(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (status, signal) => resolve(status ?? signal ?? "unknown"));
  });
}

const TAIL_LINES = 15;

/** The end of a log, for an error message. */
export function readLogTail(logFile: string): string {
  const lines = readFileSync(logFile, "utf8").trimEnd().split("\n");
  return lines
    .slice(-TAIL_LINES)
    .map((line) => `    ${line}`)
    .join("\n");
}

/** The error of a container that exited while it should run, with the end of its log. */
export function containerFailure(what: string, end: number | string, logFile: string): LocalError {
  const details = { end, logFile };
  return new LocalError(
    "container_failed",
    `${what} exited with ${end}; the end of its log:\n${readLogTail(logFile)}`,
    {
      details,
    },
  );
}
