import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { waitForPort } from "./wait-for-port.ts";

/** A program that the bench has started, and that is ready. */
export interface Child {
  readonly pid: number;
  /** The line on standard output that said so; empty where a port was waited for. */
  readonly firstLine: string;
  /** Ends it: SIGTERM, and SIGKILL if that has not helped in 5 s. */
  stop(): Promise<void>;
  /** Ends it at once, by SIGKILL. */
  kill(): Promise<void>;
}

export interface ChildOptions {
  readonly command: readonly [program: string, ...args: string[]];
  /** How it is known to be ready: by its first line on standard output, or by who listens on a port of loopback. */
  readonly readiness: "line" | { readonly port: number };
}

const STOP_TIMEOUT_MS = 5000;
/** Programs load for a second on an idle machine, and for 25 s were seen on a busy one. */
const START_TIMEOUT_MS = 90_000;
const KEPT_ERROR_BYTES = 4000;

/** Starts a program that ends with the bench, however the bench ends: the kernel sends it SIGTERM (prctl(2), PDEATHSIG). */
export async function startChild({ command, readiness }: ChildOptions): Promise<Child> {
  const child = spawn("setpriv", ["--pdeathsig", "TERM", ...command], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = `${errors}${chunk}`.slice(-KEPT_ERROR_BYTES);
  });
  const ended = once(child, "close");
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const isReady = readiness === "line" ? readFirstLine(child, signal) : waitForPort(readiness.port, signal);
  const firstLine = await Promise.race([isReady, ended.then(() => undefined)]);
  const { pid } = child;
  if (firstLine === undefined || pid === undefined) {
    await stop(child, ended);
    throw new Error(`${command.join(" ")} did not start: ${errors.trim()}`);
  }
  child.stdout.resume();
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  return { pid, firstLine, stop: () => stop(child, ended), kill };
}

async function readFirstLine(child: ChildProcess, signal: AbortSignal): Promise<string | undefined> {
  if (child.stdout === null) return undefined;
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, "line", { signal }).catch(() => [undefined]);
  return typeof line === "string" ? line : undefined;
}

async function stop(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
