/** For tests: control planes as processes of their own, which can be killed, and a disk of theirs, which can be full. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { ISSUER, type StandaloneFiles } from "./standalone-files-fixture.ts";

const MAIN = join(import.meta.dirname, "../../cli/main.ts");

export interface Disk {
  /** In its mount namespace. */
  readonly directory: string;
  /** As other processes see it. */
  readonly path: string;
  /** The process that holds its mount namespace. */
  readonly holder: number;
  fill(): void;
  empty(): void;
}

/** Mounts a small disk in a mount namespace of its own. It needs root. */
export async function mountDisk(cleanup: Cleanup): Promise<Disk> {
  const directory = mkdtempSync(join(tmpdir(), "entente-disk-"));
  cleanup.add(() => rmSync(directory, { recursive: true, force: true }));
  const script = `mount -t tmpfs -o size=128k,mode=700 tmpfs "${directory}" && echo mounted && exec sleep infinity`;
  const child = spawn("unshare", ["--mount", "sh", "-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  cleanup.add(() => end(child));
  await once(child.stdout, "data");
  const path = join(`/proc/${child.pid}/root`, directory);
  const filler = join(path, "filler");
  return {
    ...{ directory, path },
    holder: child.pid ?? 0,
    fill: () => {
      try {
        writeFileSync(filler, Buffer.alloc(1 << 20));
      } catch {
        // Up to its last page.
        return;
      }
      throw new Error(`${path} has no limit`);
    },
    empty: () => rmSync(filler),
  };
}

export interface ControlPlaneProcess {
  readonly port: number;
  /** What it has written. */
  log(): string;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface ProcessOptions {
  readonly files: StandaloneFiles;
  /** The default, and the longest. */
  readonly lifetimeSeconds: number;
  /** @default that of the files, in this process's mount namespace */
  readonly disk?: Pick<Disk, "directory" | "holder">;
}

/** `entente control-plane`, as it ships. Resolves when it is ready. */
export async function startControlPlaneProcess(
  cleanup: Cleanup,
  { files, lifetimeSeconds, disk }: ProcessOptions,
): Promise<ControlPlaneProcess> {
  const [port, metricsPort] = [await findFreePort(), await findFreePort()];
  const options = {
    config: files.configuration,
    "ca-directory": disk?.directory ?? files.caDirectory,
    ...{ jwks: files.jwksFile, "token-issuer": ISSUER, port, "metrics-port": metricsPort },
    ...{ "workload-cert-ttl": `${lifetimeSeconds}s`, "max-workload-cert-ttl": `${lifetimeSeconds}s` },
  };
  const texts = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const program = [process.execPath, MAIN, "control-plane", ...texts];
  const [command = "", ...args] =
    disk === undefined ? program : ["nsenter", `--target=${disk.holder}`, "--mount", "--", ...program];
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  cleanup.add(() => end(child));
  let log = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      log += text;
    });
  }
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the control plane has ended: ${log}`);
    const response = await fetch(`http://127.0.0.1:${metricsPort}/ready`).catch(() => undefined);
    await response?.text();
    return response?.status === 200;
  });
  return { port, log: () => log, kill: () => end(child) };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
