/** For tests: the kubectl of this machine, against a server of a test. `KUBECTL` names another than the one on the path. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cleanup } from "../../net/cleanup-fixture.ts";

const PROGRAM = process.env["KUBECTL"] ?? "kubectl";

/** Whether there is one; tests that need it are skipped, and counted as skipped, where there is none. */
export const HAS_KUBECTL = spawnSync(PROGRAM, ["version", "--client"]).status === 0;

export interface KubectlResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Kubectl {
  /** A folder of its own, which is also its home. */
  readonly folder: string;
  /** Its standard output; rejects with its errors if it fails. */
  run(...args: readonly string[]): Promise<string>;
  /** Whatever its status. */
  try(...args: readonly string[]): Promise<KubectlResult>;
}

/** kubectl as the user of the kubeconfig. */
export function createKubectl(kubeconfig: string, cleanup: Cleanup): Kubectl {
  const folder = mkdtempSync(join(tmpdir(), "kubectl-"));
  cleanup.add(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "kubeconfig"), kubeconfig, { mode: 0o600 });
  const env = { PATH: process.env["PATH"], HOME: folder, KUBECONFIG: join(folder, "kubeconfig") };
  const attempt = (args: readonly string[]): Promise<KubectlResult> =>
    new Promise((resolve) => {
      const child = execFile(PROGRAM, args, { env, timeout: 60_000 }, (_error, stdout, stderr) => {
        resolve({ status: child.exitCode ?? -1, stdout, stderr });
      });
    });
  return {
    folder,
    try: (...args) => attempt(args),
    run: async (...args) => {
      const { status, stdout, stderr } = await attempt(args);
      if (status !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${status}: ${stderr.trim()}`);
      return stdout;
    },
  };
}
