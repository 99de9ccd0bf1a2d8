import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { type Logger, systemClock } from "../../mesh/runtime.ts";
import { type CaptureListener, startCaptureListener } from "../../proxy/capture/capture-listener.ts";
import type { ConnectionLimits } from "../../proxy/connections/limits/decide-connection-limits.ts";
import { createSecureContextSource, type WritableSecureContextSource } from "../../proxy/tls/secure-context-source.ts";
import { createSide } from "./entente-side.ts";
import type { SideJob } from "./side-job.ts";

export interface StartedSide {
  readonly listener: CaptureListener;
  readonly secureContexts: WritableSecureContextSource;
}

export interface SideOptions {
  readonly log: Logger;
  /** @default by the process's descriptors */
  readonly connectionLimits?: Partial<ConnectionLimits>;
}

const DAY_MS = 86_400_000;

/**
 * Starts one side of a sidecar on loopback: the same listener, handlers, registry, certificates and metrics as a sidecar
 * has, but the original destination and the control plane's messages are fixed.
 */
export async function startSide(job: SideJob, options: SideOptions): Promise<StartedSide> {
  const { log } = options;
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
  const listener = await startCaptureListener({
    port: job.port,
    readOriginalDestination: () => ({ ip: "127.0.0.1", port: job.originalPort }),
    clientsAreRemote: job.side === "server",
    isOwnListener: () => false,
    onConnection: createSide(job, { ...options, secureContexts, clock }),
    onRefused: () => undefined,
    onListenerError: ({ message }) => log.error({}, `the capture listener failed: ${message}`),
  });
  return { listener, secureContexts };
}
