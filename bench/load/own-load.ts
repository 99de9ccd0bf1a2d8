import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runToEnd } from "../processes/run-to-end.ts";
import type { IdleJob, LoadJob } from "./load-job.ts";
import type { LoadResult } from "./load-result.ts";

/** The program of the bench's own load generator. */
export const LOAD_PROGRAM = fileURLToPath(new URL("load-process.ts", import.meta.url));

/** Runs a load of the bench's own generator, in a process of its own. */
export async function runOwnLoad(job: Exclude<LoadJob, IdleJob>): Promise<LoadResult> {
  const output = await runToEnd(process.execPath, [LOAD_PROGRAM, JSON.stringify(job)], (job.seconds + 60) * 1000);
  return JSON.parse(output);
}

/** Holds connections open while `whileOpen` runs. */
export async function runIdleLoad(job: IdleJob, whileOpen: () => Promise<void>): Promise<LoadResult> {
  const command = ["--pdeathsig", "KILL", process.execPath, LOAD_PROGRAM, JSON.stringify(job)];
  const child = spawn("setpriv", command, { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([once(lines, "line"), closed.then(() => [undefined])]);
  if (typeof line !== "string") throw new Error("the connections could not be opened");
  try {
    await whileOpen();
  } finally {
    child.stdin.end();
    await closed;
  }
  return JSON.parse(line);
}
