/** One side of a sidecar on loopback, for the bench. Its argument is a `SideJob`. */
import { createLogger } from "../../cli/create-logger.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { startMemoryRelease } from "../../net/memory-release.ts";
import type { SideJob } from "./side-job.ts";
import { startSide } from "./start-side.ts";

const job: SideJob = JSON.parse(process.argv[2] ?? "{}");
const log = createLogger("info");
const { listener } = await startSide(job, { log });
startMemoryRelease({ clock: systemClock, log });
process.once("SIGTERM", () => {
  void listener.stop();
  process.exit();
});
process.stdout.write("ready\n");
