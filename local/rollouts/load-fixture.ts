/** For tests: a load that runs in a pod while others are replaced. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LocalPod } from "../pods/local-pod.ts";

export interface LoadJob {
  readonly url: string;
  /** The Host, if it is not the URL's; else empty. */
  readonly host: string;
  readonly methods: readonly ("GET" | "POST")[];
  /** A part of each response. */
  readonly expected: string;
  readonly clients: number;
  readonly pauseMs: number;
  /** Its existence ends the load. */
  readonly stopFile: string;
}

export interface LoadReport {
  readonly succeeded: number;
  /** The longest that a successful request took. */
  readonly slowestMs: number;
  /** When, from which client, and what. */
  readonly failures: readonly string[];
}

const PROGRAM = fileURLToPath(new URL("./load-program-fixture.ts", import.meta.url));

/** Starts a load in a pod's network. @returns a function that ends it and returns its report */
export function startLoad(
  pod: LocalPod,
  job: Omit<LoadJob, "stopFile">,
  limits?: LoadLimits,
): () => Promise<LoadReport> {
  return startProgram<LoadReport>(pod, PROGRAM, job, limits);
}

export interface LoadLimits {
  /** When a load that was not ended is killed. @default 380000 */
  readonly timeoutMs?: number;
}

/** Starts a program that runs until its `stopFile` exists, and then prints its report as JSON. */
export function startProgram<Report>(
  pod: LocalPod,
  program: string,
  job: object,
  { timeoutMs = 380_000 }: LoadLimits = {},
): () => Promise<Report> {
  const folder = mkdtempSync(join(tmpdir(), "entente-load-"));
  const stopFile = join(folder, "stop");
  const running = pod.exec([process.execPath, program, JSON.stringify({ ...job, stopFile })], { timeoutMs });
  return async () => {
    writeFileSync(stopFile, "");
    const { stdout, stderr } = await running;
    rmSync(folder, { recursive: true });
    if (stdout === "") throw new Error(`the load failed: ${stderr}`);
    return JSON.parse(stdout);
  };
}
