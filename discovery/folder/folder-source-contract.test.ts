import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { runConfigSourceContract } from "../config-source-contract-fixture.ts";
import type { Manifest } from "../contract-manifests-fixture.ts";
import { startFolderSource } from "./folder-source.ts";

function fileOf({ kind, metadata }: Manifest): string {
  return `${kind}.${metadata.namespace ?? ""}.${metadata.name}.yaml`;
}

runConfigSourceContract({
  name: "a folder",
  create: async (initial) => {
    const root = await mkdtemp(join(tmpdir(), "contract-"));
    const stop = new AbortController();
    const cleanup = new Cleanup();
    const apply = async (...objects: readonly Manifest[]): Promise<void> => {
      for (const object of objects) {
        await writeFile(join(root, "next.tmp"), JSON.stringify(object));
        await rename(join(root, "next.tmp"), join(root, fileOf(object)));
      }
    };
    await apply(...initial);
    return {
      source: await startFolderSource({
        folders: [root],
        log: new RecordingLogger(),
        clock: startFastClock(cleanup),
        signal: stop.signal,
      }),
      apply,
      remove: (object) => rm(join(root, fileOf(object))),
      dispose: async () => {
        stop.abort();
        await cleanup.run();
        await rm(root, { recursive: true, force: true });
      },
    };
  },
});
