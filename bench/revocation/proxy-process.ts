/**
 * The server's side of a sidecar on loopback, whose trust bundle comes from the bench instead of a control plane: the same
 * listener, handlers, registry, metrics and log as a sidecar has.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fromBinary } from "@bufbuild/protobuf";
import { createLogger } from "../../cli/create-logger.ts";
import { trustBundleFromMessage } from "../../mesh/api/convert-trust-bundle.ts";
import { TrustBundleResourceSchema } from "../../mesh/api/gen/discovery_pb.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { startCaptureListener } from "../../proxy/capture/capture-listener.ts";
import { createSecureContextSource } from "../../proxy/tls/secure-context-source.ts";
import { parseTrustAnchors } from "../../proxy/tls/trust-anchors.ts";
import { createSide } from "../paths/entente-side.ts";
import type { SideJob } from "../paths/side-job.ts";
import type { FromProxy, ToProxy } from "./messages.ts";

const DAY_MS = 86_400_000;
const job: SideJob = JSON.parse(process.argv[2] ?? "{}");
const most = Number(process.argv[3]);
const clock = systemClock;
const secureContexts = createSecureContextSource({
  trust: {
    roots: [new X509Certificate(readFileSync(job.rootFile))],
    trustDomains: [parseTrustDomain("cluster.local")],
  },
  clock,
});
const pem = readFileSync(job.certificateFile);
secureContexts.setSvid({
  identity: parseSpiffeId(job.identity),
  certificates: [new X509Certificate(pem)],
  privateKeyPem: createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }).toString(),
  notAfterMs: clock.now() + DAY_MS,
});
const log = createLogger("error");
// As a process with more descriptors would have them.
const connectionLimits = { maxPerDirection: most, maxSilentVerified: most };
await startCaptureListener({
  port: job.port,
  readOriginalDestination: () => ({ ip: "127.0.0.1", port: job.originalPort }),
  clientsAreRemote: true,
  isOwnListener: () => false,
  onConnection: createSide(job, { secureContexts, clock, log, connectionLimits }),
  onRefused: () => undefined,
  onListenerError: ({ message }) => log.error({}, `the capture listener failed: ${message}`),
});

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
