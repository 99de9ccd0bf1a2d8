import { spawn } from "node:child_process";
import { once } from "node:events";

/** Runs a program to its end and gives its standard output; throws with what it wrote to standard error if it fails. */
export async function runToEnd(program: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const child = spawn("setpriv", ["--pdeathsig", "KILL", program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const [status] = await once(child, "close");
  clearTimeout(timer);
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${errors.trim().slice(-2000)}`);
  return output;
}
