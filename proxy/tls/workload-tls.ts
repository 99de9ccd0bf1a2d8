import type { WorkloadRef } from "../../mesh/api/convert.ts";
import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { type AgentMeter, NO_AGENT_METER } from "../telemetry/agent-meter.ts";
import { createCertificateClient, readRootFile } from "./control-plane/control-plane-client.ts";
import { type DiscoveryClient, startDiscoveryClient } from "./control-plane/discovery-client.ts";
import { decideFit } from "./decide-fit.ts";
import { createSecureContextSource, type SecureContextSource } from "./secure-context-source.ts";
import { type SvidManager, startSvidManager } from "./svid-manager.ts";
import { parseCertificates } from "./trust-anchors.ts";
import { TrustFollower } from "./trust-follower.ts";

export interface WorkloadTlsOptions {
  /** The control plane, `host:port`. */
  readonly address: string;
  readonly rootCertificateFile: string;
  readonly tokenFile: string;
  /** The workload's identity; only its trust domain is trusted until the control plane sends the trust bundle. */
  readonly identity: SpiffeId;
  /** The own pod. */
  readonly workload: WorkloadRef;
  /** Of the software, for the control plane's operator. */
  readonly version: string;
  /** Requested lifetime of certificates; 0 leaves it to the authority. @default 0 */
  readonly lifetimeMs?: number;
  /** @default 5000; a dead control plane is noticed within twice this time */
  readonly pingIntervalMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** @default counts nothing */
  readonly meter?: AgentMeter;
}

/** The sidecar's client side of the control plane: certificate, trust bundle and discovery. */
export interface WorkloadTls {
  readonly source: SecureContextSource;
  /**
   * Resolves when the first trust bundle has been accepted. Before, the root file is trusted and nothing is revoked, so
   * no peer may be served.
   */
  readonly firstBundle: Promise<void>;
  readonly svid: SvidManager;
  readonly discovery: DiscoveryClient;
  close(): void;
}

/**
 * Starts all of it. The first certificate needs only the token and the root file. With it the streams open, and from
 * then on the trust bundle comes from the control plane. Rejects if the root file is unusable or the address is
 * invalid: retrying would not fix that. Everything else is retried until it works.
 */
export async function startWorkloadTls(options: WorkloadTlsOptions): Promise<WorkloadTls> {
  const { clock, random, log, identity, meter = NO_AGENT_METER } = options;
  const roots = parseCertificates(await readRootFile(options.rootCertificateFile), "the root file");
  const trust = { roots, trustDomains: [spiffeIdParts(identity).trustDomain] };
  const source = createSecureContextSource({ trust, clock });
  const request = createCertificateClient({
    ...options,
    revocations: () => source.trust().revocations,
    // The authority renews no revoked certificate by that certificate itself.
    contextTrusting: (rootsPem) => (isOwnRevoked(source, clock) ? undefined : source.contextTrusting(rootsPem)),
  });
  const svid = startSvidManager({ identity, request, source, clock, random, log, meter });
  const discovery = startDiscoveryClient({
    ...options,
    source,
    onCertificate: (isAccepted) => svid.reportControlPlane(isAccepted),
  });
  const firstBundle = Promise.withResolvers<void>();
  const follower = new TrustFollower({ source, leave: () => discovery.leave(), clock, random, log, meter });
  discovery.watchTrustBundle({
    take: (bundle, readings) => {
      const refusal = follower.take(bundle, readings);
      firstBundle.resolve();
      return refusal;
    },
    confirm: (readings) => follower.confirm(readings),
  });
  return {
    source,
    firstBundle: firstBundle.promise,
    svid,
    discovery,
    close: () => {
      follower.stop();
      discovery.close();
      svid.stop();
    },
  };
}

function isOwnRevoked(source: SecureContextSource, clock: Clock): boolean {
  const material = source.current();
  if (material === undefined) return false;
  const fit = decideFit(material.certificates, source.trust(), clock.now());
  return fit === "revoked" || fit === "identity_revoked";
}
