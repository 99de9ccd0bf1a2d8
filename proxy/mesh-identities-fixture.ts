/** For tests of the data plane: a mesh's identities, certificates and destinations. */
import { type MintedCertificate, mintLeaf, mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from "../mesh/identity/spiffe-id.ts";
import { indexRevocations } from "../mesh/policy/authentication/revocations.ts";
import type { Endpoint, MeshDestination, Revocations, WorkloadInfo } from "../mesh/policy/types.ts";
import { systemClock } from "../mesh/runtime.ts";
import { createSecureContextSource, type WritableSecureContextSource } from "./tls/secure-context-source.ts";

export const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
export const WORLD = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/default");
export const MESH_ROOT = mintRoot();

const YEAR_MS = 365 * 86_400_000;

export interface IdentityOptions {
  readonly issuer?: MintedCertificate;
  readonly uriSans?: readonly string[];
  readonly notAfter?: Date;
  /** @default random */
  readonly serialNumber?: Uint8Array;
  /** Sent behind the leaf. @default nothing */
  readonly intermediates?: readonly MintedCertificate[];
}

/**
 * A source with a certificate of this identity, valid unless the options make it invalid. It trusts the mesh's root.
 */
export function secureContextsOf(identity: SpiffeId, options: IdentityOptions = {}): WritableSecureContextSource {
  const source = createSecureContextSource({
    trust: { roots: [MESH_ROOT.certificate], trustDomains: [parseTrustDomain("cluster.local")] },
    clock: systemClock,
  });
  const leaf = mintLeaf({
    issuer: options.issuer ?? MESH_ROOT,
    uriSans: options.uriSans ?? [identity],
    notBefore: new Date(Date.now() - YEAR_MS),
    notAfter: options.notAfter ?? new Date(Date.now() + YEAR_MS),
    ...(options.serialNumber && { serialNumber: options.serialNumber }),
  });
  const { intermediates = [] } = options;
  source.setSvid({
    identity,
    certificates: [leaf, ...intermediates].map(({ certificate }) => certificate),
    privateKeyPem: leaf.keyPem,
    // The attacker's own side accepts it; the peer must reject it.
    notAfterMs: Date.now() + YEAR_MS,
  });
  return source;
}

/** Sends a workload another list of what is revoked. */
export function revoke(source: WritableSecureContextSource, revoked: Partial<Revocations>): void {
  const revocations = indexRevocations({ certificates: [], identities: [], ...revoked });
  source.setTrust({ ...source.trust(), revocations });
}

export const WORKLOAD: WorkloadInfo = {
  namespace: "ns2",
  pod: "world-1",
  workload: "world-tls",
  serviceAccount: "default",
  app: "world",
  version: "v1-tls",
  canonicalService: "world",
  canonicalRevision: "v1-tls",
};

/** A destination `world.ns2:8080` whose endpoints are these ports on loopback. */
export function meshDestination(
  ports: readonly number[],
  options: {
    readonly mutualTls?: boolean;
    readonly identities?: readonly SpiffeId[];
    readonly overrides?: Partial<MeshDestination>;
  } = {},
): MeshDestination {
  const endpoints = ports.map(
    (port): Endpoint => ({ ip: "127.0.0.1", port, mutualTls: options.mutualTls ?? true, workload: WORKLOAD }),
  );
  return {
    kind: "mesh",
    host: "world.ns2.svc.cluster.local",
    port: 8080,
    subset: "",
    protocol: undefined,
    sni: "outbound_.8080_._.world.ns2.svc.cluster.local",
    identities: options.identities ?? [WORLD],
    tlsRule: "DestinationRule/enable-mtls.default",
    endpoints,
    service: undefined,
    connectionPool: { httpVersion: "client" },
    routes: [],
    ...options.overrides,
  };
}
