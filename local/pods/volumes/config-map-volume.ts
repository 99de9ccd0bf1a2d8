import { MeshError } from "../../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../../mesh/runtime.ts";
import { WakeUp } from "../../../net/wake-up.ts";
import type { FileAccess } from "./file-access.ts";
import { type VolumeFiles, writeFiles } from "./write-files.ts";

export interface ConfigMapVolumeOptions {
  readonly folder: string;
  readonly access: FileAccess;
  /** Reads the ConfigMap. */
  readonly read: () => Promise<VolumeFiles>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The kubelet takes up to 90 s. */
const POLL_MS = 1000;

/** Writes a ConfigMap into a volume, and again when it changes, as the kubelet does: the mesh's roots change. */
export async function keepConfigMap(options: ConfigMapVolumeOptions): Promise<{ stop(): void }> {
  const { folder, access, read, clock, log } = options;
  const stop = new AbortController();
  const wakeUp = new WakeUp();
  let written: VolumeFiles = {};
  const write = async (): Promise<void> => {
    const files = await read();
    const changed = Object.entries(files).filter(([name, content]) => !isSame(content, written[name]));
    if (stop.signal.aborted || changed.length === 0) return;
    writeFiles(folder, Object.fromEntries(changed), access);
    written = files;
  };
  const follow = async (): Promise<void> => {
    for (;;) {
      await wakeUp.wait(clock, POLL_MS, stop.signal);
      if (stop.signal.aborted) return;
      await write().catch((caught: unknown) => {
        const { message } = MeshError.from(caught);
        log.error({ component: "local", folder }, `a ConfigMap cannot be written again: ${message}`);
      });
    }
  };
  await write();
  void follow();
  return { stop: () => stop.abort() };
}

function isSame(one: string | Uint8Array, other: string | Uint8Array | undefined): boolean {
  return other !== undefined && Buffer.from(one).equals(Buffer.from(other));
}
