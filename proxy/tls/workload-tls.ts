import type { WorkloadRef } from "../../mesh/api/convert.ts";
import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { createCertificateClient, readRootFile } from "./control-plane/control-plane-client.ts";
import { type DiscoveryClient, startDiscoveryClient } from "./control-plane/discovery-client.ts";
import { createSecureContextSource, type SecureContextSource } from "./secure-context-source.ts";
import { type SvidManager, startSvidManager } from "./svid-manager.ts";
import { parseCertificates, parseTrustAnchors } from "./trust-anchors.ts";

export interface WorkloadTlsOptions {
  /** The control plane, `host:port`. */
  readonly address: string;
  readonly rootCertificateFile: string;
  readonly tokenFile: string;
  /** Who the workload is; its trust domain is believed until the control plane says more. */
  readonly identity: SpiffeId;
  /** The own pod. */
  readonly workload: WorkloadRef;
  /** Wished life of certificates; 0 leaves it to the authority. @default 0 */
  readonly lifetimeMs?: number;
  /** @default 5000; a control plane that died is noticed within twice this time */
  readonly pingIntervalMs?: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** The sidecar's side of the control plane: its certificate, what it believes, and what it is told. */
export interface WorkloadTls {
  readonly source: SecureContextSource;
  readonly svid: SvidManager;
  readonly discovery: DiscoveryClient;
  close(): void;
}

/**
 * Starts all of it. The first certificate needs the token and the root file alone; with it the streams open, and from
 * then on the trust bundle comes from the control plane. Rejects where the root file cannot be used or the address is
 * none: no time will mend that. Everything else is tried again until it works.
 */
export async function startWorkloadTls(options: WorkloadTlsOptions): Promise<WorkloadTls> {
  const { clock, random, log, identity } = options;
  const roots = parseCertificates(await readRootFile(options.rootCertificateFile), "the root file");
  const trust = { roots, trustDomains: [spiffeIdParts(identity).trustDomain] };
  const source = createSecureContextSource({ trust, clock });
  const request = createCertificateClient(options);
  const svid = startSvidManager({ identity, request, source, clock, random, log });
  const discovery = startDiscoveryClient({ ...options, source });
  discovery.watchTrustBundle((bundle) => {
    try {
      source.setTrust(parseTrustAnchors(bundle));
    } catch (caught) {
      const { code, message } = MeshError.from(caught);
      log.error({ code }, `the trust bundle of the control plane is not used, the last one stays: ${message}`);
    }
  });
  return {
    source,
    svid,
    discovery,
    close: () => {
      discovery.close();
      svid.stop();
    },
  };
}
