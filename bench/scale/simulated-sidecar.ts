import { X509Certificate } from "node:crypto";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import { formatSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { type DiscoveryClient, startDiscoveryClient } from "../../proxy/tls/control-plane/discovery-client.ts";
import { createSvidKey, formatCertificateRequest } from "../../proxy/tls/csr.ts";
import {
  createSecureContextSource,
  type Svid,
  type WritableSecureContextSource,
} from "../../proxy/tls/secure-context-source.ts";
import { parseCertificates } from "../../proxy/tls/trust-anchors.ts";
import type { SidecarRef } from "./topology.ts";

export const TRUST_DOMAIN = parseTrustDomain("cluster.local");
const LIFETIME_MS = 24 * 3_600_000;

export interface SidecarFactoryOptions {
  readonly authority: Pick<Authority, "signWorkload" | "roots">;
  /** Of the control plane, `host:port`. */
  readonly address: string;
  readonly rootFile: string;
  readonly log: Logger;
}

export interface SimulatedSidecar {
  readonly discovery: DiscoveryClient;
  readonly source: WritableSecureContextSource;
}

/**
 * Makes sidecars: the shipped client of the control plane, each with its own connection. Those of one service account
 * share a certificate, which is signed here: what is measured is the streams, not the authority.
 */
export class SidecarFactory {
  readonly #options: SidecarFactoryOptions;
  readonly #svids = new Map<string, Promise<Svid>>();

  constructor(options: SidecarFactoryOptions) {
    this.#options = options;
  }

  async start(ref: SidecarRef): Promise<SimulatedSidecar> {
    const { authority, address, rootFile: rootCertificateFile, log } = this.#options;
    const account = `${ref.namespace}/${ref.serviceAccount}`;
    const svid = this.#svids.get(account) ?? this.#issue(ref);
    this.#svids.set(account, svid);
    const roots = parseCertificates(authority.roots().join(""), "the mesh's roots");
    const clock = systemClock;
    const source = createSecureContextSource({ trust: { roots, trustDomains: [TRUST_DOMAIN] }, clock });
    source.setSvid(await svid);
    const workload = { namespace: ref.namespace, name: ref.pod };
    const random = Math.random;
    const version = "bench";
    const discovery = startDiscoveryClient({
      ...{ address, rootCertificateFile, source, workload, version, clock, random, log },
    });
    return { discovery, source };
  }

  async #issue({ namespace, serviceAccount }: SidecarRef): Promise<Svid> {
    const identity = formatSpiffeId({ trustDomain: TRUST_DOMAIN, namespace, serviceAccount });
    const key = createSvidKey();
    const csrPem = formatCertificateRequest(key, identity);
    const chain = await this.#options.authority.signWorkload({ csrPem, identity, lifetimeMs: LIFETIME_MS });
    const certificates = chain.slice(0, -1).map((pem) => new X509Certificate(pem));
    const privateKeyPem = key.export({ type: "pkcs8", format: "pem" }).toString();
    return { identity, certificates, privateKeyPem, notAfterMs: systemClock.now() + LIFETIME_MS };
  }
}
