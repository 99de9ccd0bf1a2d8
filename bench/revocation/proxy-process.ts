/** The server's side of a sidecar on loopback, whose trust bundle comes from the bench instead of a control plane. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fromBinary } from "@bufbuild/protobuf";
import { createLogger } from "../../cli/create-logger.ts";
import { trustBundleFromMessage } from "../../mesh/api/convert-trust-bundle.ts";
import { TrustBundleResourceSchema } from "../../mesh/api/gen/discovery_pb.ts";
import { parseTrustAnchors } from "../../proxy/tls/trust-anchors.ts";
import type { SideJob } from "../paths/side-job.ts";
import { startSide } from "../paths/start-side.ts";
import type { FromProxy, ToProxy } from "./messages.ts";

const job: SideJob = JSON.parse(process.argv[2] ?? "{}");
const most = Number(process.argv[3]);
// As a process with more descriptors would have them.
const connectionLimits = { maxPerDirection: most, maxSilentVerified: most };
const { secureContexts } = await startSide(job, { log: createLogger("error"), connectionLimits });

const pauses = monitorEventLoopDelay({ resolution: 1 });
pauses.enable();
let cpu = process.cpuUsage();

process.on("message", (message: ToProxy) => {
  if (message.kind === "report") report();
  else trust(message.bundle);
});
send({ kind: "ready" });

function trust(bundle: string): void {
  const message = fromBinary(TrustBundleResourceSchema, Buffer.from(bundle, "base64"));
  secureContexts.setTrust(parseTrustAnchors(trustBundleFromMessage(message)));
  send({ kind: "trusted" });
}

function report(): void {
  const { user, system } = process.cpuUsage(cpu);
  const residentMb = process.memoryUsage.rss() / 2 ** 20;
  // A sampler's wait of 1 ms belongs to each.
  send({ kind: "report", longestPauseMs: pauses.max / 1e6 - 1, cpuMs: (user + system) / 1000, residentMb });
  pauses.reset();
  cpu = process.cpuUsage();
}

function send(message: FromProxy): void {
  process.send?.(message);
}
