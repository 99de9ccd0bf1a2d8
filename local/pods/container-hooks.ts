import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startContainerProcess } from "./container-process.ts";
import { createContainerSpec, type PodSurroundings } from "./container-spec.ts";
import type { ContainerManifest } from "./pod-manifest.ts";

export interface HookOptions {
  readonly hook: "postStart" | "preStop";
  readonly surroundings: PodSurroundings;
  /** The pod's own. */
  readonly folder: string;
  /** The container's, for the hook's output. */
  readonly logFile: string;
}

/** Runs a container's hook, if it has one: a program in the container, or a pause. The pod goes on if it fails. */
export async function runHook(
  container: ContainerManifest,
  { hook, surroundings, folder, logFile }: HookOptions,
): Promise<void> {
  const { exec, sleep: pause } = container.lifecycle?.[hook] ?? {};
  if (pause) await sleep(pause.seconds * 1000);
  if (!exec) return;
  const stage = join(folder, "stage", `${container.name}-${hook}`);
  mkdirSync(stage, { recursive: true });
  const spec = createContainerSpec({ ...container, command: exec.command, args: [] }, surroundings, stage);
  await startContainerProcess({ ...spec, logFile }).ended;
}
