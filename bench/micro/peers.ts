/** What one verdict on a peer costs, by the authorities that are trusted and by what the peer sends. See ../README.md. */
import { X509Certificate } from "node:crypto";
import { ecKey, mintCrossIssued } from "../../mesh/identity/hostile-chain-fixture.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { type FederatedRoots, federateRoots, type PeerTrust } from "../../mesh/policy/authentication/peer-trust.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { alignColumns } from "../report/format-table.ts";

/** As many as the control plane accepts. */
const DOMAINS = 32;
const ROOTS = 16;
const MEASURED_MS = 500;

const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const own = mintRoot({ commonName: "own" });

interface Scene {
  readonly trust: PeerTrust;
  /** An authority of the last foreign domain. */
  readonly foreign: MintedCertificate;
}

/** @param nameOf the name of a root; Istio's own roots have the same one in every mesh. */
function sceneOf(domains: number, nameOf: (root: number) => string): Scene {
  let foreign = own;
  const federated: readonly FederatedRoots[] = Array.from({ length: domains }, (_, domain) => {
    const roots = Array.from({ length: ROOTS }, (__, root) => {
      foreign = mintRoot({ commonName: nameOf(domain * ROOTS + root) });
      return foreign.certificate;
    });
    return federateRoots(parseTrustDomain(`domain-${domain}.example`), roots);
  });
  const trust = { roots: [own.certificate], trustDomains: [parseTrustDomain("cluster.local")] };
  return { trust: { ...trust, ...(domains > 0 && { federated }) }, foreign };
}

function leafOf(issuer: MintedCertificate, domain: string): readonly X509Certificate[] {
  return [mintLeaf({ issuer, uriSans: [`spiffe://${domain}/ns/ns1/sa/hello`], ...times }).certificate];
}

function hostile(): readonly X509Certificate[] {
  return mintCrossIssued(ecKey(), 4).certificates.map((der) => new X509Certificate(der));
}

function measureUs(trust: PeerTrust, certificates: readonly X509Certificate[]): string {
  const verify = () => verifyPeer({ certificates, sessionReused: false, ...trust, nowMs: Date.now() });
  const verdict = verify();
  const until = performance.now() + MEASURED_MS;
  const started = process.cpuUsage();
  let runs = 0;
  while (performance.now() < until) {
    verify();
    runs += 1;
  }
  const { user, system } = process.cpuUsage(started);
  return `${((user + system) / runs).toFixed(0)} ${verdict.kind === "refused" ? verdict.reason : verdict.kind}`;
}

const scenes = [
  { name: "none", scene: sceneOf(0, String) },
  { name: `${DOMAINS} x ${ROOTS}, each root with a name of its own`, scene: sceneOf(DOMAINS, String) },
  { name: `${DOMAINS} x ${ROOTS}, all with the peer's issuer name`, scene: sceneOf(DOMAINS, () => "x") },
];
const ladder = mintRoot({ commonName: "unknown" });
const rows = scenes.map(({ name, scene: { trust, foreign } }) => [
  name,
  measureUs(trust, leafOf(own, "cluster.local")),
  trust.federated === undefined ? "" : measureUs(trust, leafOf(foreign, `domain-${DOMAINS - 1}.example`)),
  measureUs(trust, leafOf(ladder, "cluster.local")),
  measureUs(trust, hostile()),
]);
const header = ["foreign authorities; µs", "own peer", "foreign peer", "unknown root", "hostile chain of five"];
const caption = formatCaption(describeRun(new Date())).join("\n");
process.stdout.write(`${caption}\n\n${alignColumns([header, ...rows])}\n`);
