import { afterEach, expect, it } from "vitest";
import { type MintedAuthority, textsOf } from "../../ca-agent/authority/authority-fixture.ts";
import { ROOT_CONFIG_MAP, readPublishedRoots } from "../../ca-agent/trust-distribution/root-config-map.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { formatTraffic, startTraffic } from "../../proxy/counted-requests-fixture.ts";
import { startClientSidecar, startServingSidecar } from "../../proxy/sidecar-path-fixture.ts";
import type { WorkloadTls } from "../../proxy/tls/workload-tls.ts";
import { startWholeControlPlane } from "../whole-control-plane-fixture.ts";
import { IdentityCluster, ROOT_NAMESPACE } from "./cluster-identity-fixture.ts";
import { startPodSidecar } from "./pod-sidecar-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const [oldRoot, newRoot] = [mintRoot({ commonName: "old" }), mintRoot({ commonName: "new" })];
const oldSigner = mintRoot({ commonName: "old signer", issuer: oldRoot });
const newSigner = mintRoot({ commonName: "new signer", issuer: newRoot });

function writeSecret({ server }: IdentityCluster, authority: MintedAuthority): void {
  const data = Object.entries(textsOf(authority)).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
  const metadata = { name: "cacerts", namespace: ROOT_NAMESPACE };
  const secret = { apiVersion: "v1", kind: "Secret", metadata, data: Object.fromEntries(data) };
  const exists = server.cluster.find(KINDS.secrets, metadata) !== undefined;
  if (exists) server.cluster.replace(KINDS.secrets, secret);
  else server.cluster.create(KINDS.secrets, secret);
}

/** Why one sidecar does not trust the other, if it does not. */
function findFault(verifier: WorkloadTls, peer: WorkloadTls, nowMs: number): string | undefined {
  const [own, theirs] = [verifier.source.current(), peer.source.current()];
  if (own === undefined || theirs === undefined) return "a sidecar has no certificate";
  const verdict = verifyPeer({ certificates: theirs.certificates, sessionReused: false, ...own.trust, nowMs });
  return verdict.kind === "trusted" ? undefined : verdict.message;
}

/** Whether its certificate leads to the new root. */
function isRenewed(sidecar: WorkloadTls): boolean {
  const [, signer] = sidecar.source.current()?.certificates ?? [];
  return signer?.issuer === newRoot.certificate.subject;
}

function publishedRoots({ server }: IdentityCluster): number {
  const configMap = server.cluster.find(KINDS.configMaps, { namespace: "ns1", name: ROOT_CONFIG_MAP });
  return splitCertificates(readPublishedRoots(configMap)).length;
}

/** What an operator may store by force: each would cut off all workloads, or be refused by them. */
const FORCED: readonly MintedAuthority[] = [
  { signer: newSigner, roots: [newRoot] },
  { signer: newSigner, roots: [oldRoot] },
];

it("a root that is replaced by force is refused, the mesh moves to it by two edits, and no request fails", async () => {
  const clock = startFastClock(cleanup, 30);
  const cluster = await IdentityCluster.start(cleanup);
  writeSecret(cluster, { signer: oldSigner, roots: [oldRoot] });
  const first = await startWholeControlPlane(cluster, cleanup, { publishMs: 15_000, clock });
  const second = await startWholeControlPlane(cluster, cleanup, { publishMs: 15_000, clock });
  await Promise.all([first.ready, second.ready]);
  const pods = { hello: cluster.createPod("hello"), world: cluster.createPod("world") };
  const mountAgain = () => Promise.all(Object.values(pods).map((pod) => pod.mount()));
  await mountAgain();
  const hello = await startPodSidecar(cleanup, pods.hello, { address: first.address, lifetimeMs: 60_000, clock });
  const world = await startPodSidecar(cleanup, pods.world, { address: second.address, lifetimeMs: 60_000, clock });
  const sidecars = [hello, world];
  const faults = new Set<string>();
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) {
      for (const fault of [findFault(hello, world, clock.now()), findFault(world, hello, clock.now())])
        if (fault !== undefined) faults.add(fault);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const haveRoots = (count: number) => () =>
    sidecars.every(({ source }) => source.current()?.trust.roots.length === count);
  while (!haveRoots(1)()) await new Promise((resolve) => setTimeout(resolve, 5));
  const serving = await startServingSidecar(cleanup, world);
  const servers = { ports: [serving.port], identities: [pods.world.identity] };
  const traffic = startTraffic(cleanup, [await startClientSidecar(cleanup, hello, servers)]);

  const refusals = () => [first, second].map(({ log }) => log.find("the old one stays in force").length);
  for (const [index, authority] of FORCED.entries()) {
    writeSecret(cluster, authority);
    await until(() => refusals().every((count) => count > index));
  }
  expect(first.log.find("the old one stays in force")[0]?.fields["reason"]).toContain("add it, and remove it once");
  // Both renew meanwhile.
  const serials = () => sidecars.map(({ source }) => source.current()?.certificates[0]?.serialNumber);
  const before = serials();
  await until(() => serials().every((serial, index) => serial !== before[index]));
  expect(sidecars.map(isRenewed)).toEqual([false, false]);

  writeSecret(cluster, { signer: newSigner, roots: [oldRoot, newRoot] });
  await until(haveRoots(2));
  expect(sidecars.map(isRenewed)).toEqual([false, false]);
  await until(() => publishedRoots(cluster) === 2);
  // The kubelet does it within 90 s.
  await mountAgain();
  await until(() => sidecars.every(isRenewed));
  writeSecret(cluster, { signer: newSigner, roots: [newRoot] });
  await until(haveRoots(1));
  const later = clock.now() + 45_000;
  await until(() => clock.now() > later);
  const report = await traffic.end();
  process.stdout.write(`${formatTraffic(report)}\n`);
  expect(report.failures).toEqual([]);
  for (const count of report.requests) expect(count).toBeGreaterThan(10);
  expect([...faults]).toEqual([]);
  expect(sidecars.map(isRenewed)).toEqual([true, true]);
}, 300_000);
