/**
 * One side of an Entente sidecar on loopback, for the bench: the same listener, handlers, certificates and metrics as a
 * sidecar has, but the original destination and the control plane's messages are fixed. Its argument is a `SideJob`.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createLogger } from "../../cli/create-logger.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { startMemoryRelease } from "../../net/memory-release.ts";
import { startCaptureListener } from "../../proxy/capture/capture-listener.ts";
import { createSecureContextSource } from "../../proxy/tls/secure-context-source.ts";
import { createSide } from "./entente-side.ts";
import type { SideJob } from "./side-job.ts";

const DAY_MS = 86_400_000;

const job: SideJob = JSON.parse(process.argv[2] ?? "{}");
const secureContexts = createSecureContextSource({
  trust: {
    roots: [new X509Certificate(readFileSync(job.rootFile))],
    trustDomains: [parseTrustDomain("cluster.local")],
  },
  clock: systemClock,
});
const pem = readFileSync(job.certificateFile);
secureContexts.setSvid({
  identity: parseSpiffeId(job.identity),
  certificates: [new X509Certificate(pem)],
  privateKeyPem: createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }).toString(),
  notAfterMs: Date.now() + DAY_MS,
});
const log = createLogger("info");
const listener = await startCaptureListener({
  port: job.port,
  readOriginalDestination: () => ({ ip: "127.0.0.1", port: job.originalPort }),
  clientsAreRemote: job.side === "server",
  isOwnListener: () => false,
  onConnection: createSide(job, { secureContexts, clock: systemClock, log }),
  onRefused: () => undefined,
  onListenerError: ({ message }) => log.warn({}, `the capture listener failed: ${message}`),
});
startMemoryRelease({ clock: systemClock, log });
process.once("SIGTERM", () => {
  void listener.stop();
  process.exit();
});
process.stdout.write("ready\n");
