/** For tests: the meshes east and west, which trust each other, and their sidecars. */
import { once } from "node:events";
import { type MintedCertificate, mintLeaf, mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { federateRoots } from "../mesh/policy/authentication/peer-trust.ts";
import type { ConnectionPool, MeshDestination } from "../mesh/policy/types.ts";
import { systemClock } from "../mesh/runtime.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../net/lenient-upstream-fixture.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { startOutboundSide } from "./outbound-side-fixture.ts";
import { connectClient } from "./raw-sockets-fixture.ts";
import { createSecureContextSource, type WritableSecureContextSource } from "./tls/secure-context-source.ts";
import type { TrustAnchors } from "./tls/trust-anchors.ts";

const HOUR_MS = 3_600_000;
export const east = mintRoot({ commonName: "east" });
export const west = mintRoot({ commonName: "west" });
const north = mintRoot({ commonName: "north" });
export const EAST = parseSpiffeId("spiffe://east.example/ns/ns1/sa/app");
export const WEST = parseSpiffeId("spiffe://west.example/ns/ns1/sa/app");
export const REQUEST = "GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

export function trustOf(
  own: string,
  ownRoots: readonly MintedCertificate[],
  foreign: Readonly<Record<string, readonly MintedCertificate[]>>,
): TrustAnchors {
  const certificates = (roots: readonly MintedCertificate[]) => roots.map(({ certificate }) => certificate);
  return {
    roots: certificates(ownRoots),
    trustDomains: [parseTrustDomain(own), parseTrustDomain(`old.${own}`)],
    federated: Object.entries(foreign).map(([domain, roots]) =>
      federateRoots(parseTrustDomain(domain), certificates(roots)),
    ),
  };
}

/** The mesh east, which trusts west and north; and the mesh west, which trusts east. */
export const EAST_TRUST = trustOf("east.example", [east], { "west.example": [west], "north.example": [north] });
export const WEST_TRUST = trustOf("west.example", [west], { "east.example": [east] });

export function sourceOf(
  identity: string,
  issuer: MintedCertificate,
  trust: TrustAnchors,
  intermediates: readonly MintedCertificate[] = [],
): WritableSecureContextSource {
  const source = createSecureContextSource({ trust, clock: systemClock });
  const notAfterMs = Date.now() + HOUR_MS;
  const times = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(notAfterMs) };
  const leaf = mintLeaf({ issuer, uriSans: [identity], ...times });
  const svid = {
    identity: parseSpiffeId(identity),
    certificates: [leaf, ...intermediates].map(({ certificate }) => certificate),
    privateKeyPem: leaf.keyPem,
  };
  source.setSvid({ ...svid, notAfterMs });
  return source;
}

export const eastSource = () => sourceOf(EAST, east, EAST_TRUST);
export const westSource = () => sourceOf(WEST, west, WEST_TRUST);

/** A sidecar in front of an application, and what the application received as its clients' certificates. */
export async function startServer(
  cleanup: Cleanup,
  secureContexts: WritableSecureContextSource,
  principals?: readonly string[],
  protocol: Hop["protocol"] = "http",
) {
  const application = await startLenientUpstream(cleanup);
  const rule = { from: [[{ key: "source.principal", values: principals ?? [], notValues: [] }]], to: [], when: [] };
  const policy = {
    namespace: "ns1",
    name: "p",
    action: "ALLOW",
    provider: "",
    isDryRun: false,
    rules: [rule],
  } as const;
  const side = await startInboundSide(cleanup, {
    ...{ mode: "STRICT", applicationPort: application.port, protocol, secureContexts },
    authorization: { policies: principals === undefined ? [] : [policy] },
  });
  const certificates = () =>
    application.executed.map(({ head }) => /^x-forwarded-client-cert: (.*)$/im.exec(head)?.[1] ?? "none");
  return { side, certificates };
}

/** How a request, or a stream, is sent between the sidecars. */
export type Hop = Pick<MeshDestination, "protocol"> & { readonly connectionPool: ConnectionPool };
const HTTP1: Hop = { protocol: "http", connectionPool: { httpVersion: "1.1" } };
export const HOPS: readonly (Hop & { readonly name: string })[] = [
  { ...HTTP1, name: "HTTP/1.1" },
  { name: "HTTP/2", protocol: "http", connectionPool: { httpVersion: "2" } },
  { name: "TCP", protocol: "tcp", connectionPool: { httpVersion: "client" } },
];

export interface ForeignRequest {
  /** Of the server's sidecar. */
  readonly port: number;
  /** The client's. */
  readonly secureContexts: WritableSecureContextSource;
  /** The identity that the client expects. */
  readonly expected: string;
  /** @default HTTP1 */
  readonly hop?: Hop;
}

/** One request through a client's sidecar: the status of the response, or "" if there is none. */
export async function request(
  cleanup: Cleanup,
  { port, secureContexts, expected, hop = HTTP1 }: ForeignRequest,
): Promise<string> {
  const { protocol, connectionPool } = hop;
  const destination = meshDestination([port], {
    identities: [parseSpiffeId(expected)],
    overrides: { protocol, connectionPool },
  });
  const outbound = await startOutboundSide(cleanup, { destination, secureContexts });
  const socket = connectClient(cleanup, outbound.port);
  socket.write(REQUEST);
  const ended = new Promise<readonly string[]>((resolve) => socket.once("close", () => resolve([""])));
  const [first] = await Promise.race([once(socket, "data").catch(() => ended), ended]);
  return String(first).slice(9, 12);
}
