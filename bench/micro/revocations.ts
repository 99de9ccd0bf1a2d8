/** What a list of revocations costs a proxy with many connections: time, longest pause and memory. See ../README.md. */
import { randomBytes, randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { messageFromTrustBundle, trustBundleFromMessage } from "../../mesh/api/convert-trust-bundle.ts";
import { TrustBundleResourceSchema } from "../../mesh/api/gen/discovery_pb.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { formatTaggedSerial, type PodTag, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { indexRevocations } from "../../mesh/policy/authentication/revocations.ts";
import type { Revocations, RevokedCertificate } from "../../mesh/policy/types.ts";
import { createConnectionRegistry, INBOUND_POLICY } from "../../proxy/connections/connection-registry.ts";
import type { VerifiedPeer } from "../../proxy/connections/handshake.ts";
import { createPeerJudge } from "../../proxy/connections/peer-judge.ts";
import { FakeRelay } from "../../proxy/connections/relay-fixture.ts";
import { parseTrustAnchors, type TrustAnchors } from "../../proxy/tls/trust-anchors.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { alignColumns } from "../report/format-table.ts";

const { values } = parseArgs({
  options: { connections: { type: "string", default: "10000" }, entries: { type: "string", default: "10000" } },
});
const connections = Number(values.connections);
const entries = Number(values.entries);
/** Different certificates; connections share them, as those of one client do. Each pod has two. */
const CERTIFICATES = 1000;
const pods = Array.from({ length: CERTIFICATES / 2 }, () => tagOfPodUid(randomUUID()));

const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const trustDomains = [parseTrustDomain("cluster.local")];
const root = mintRoot();
const authority = mintRoot({ commonName: "authority", issuer: root });
const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
const leaves = Array.from({ length: CERTIFICATES }, (_, index) => {
  const serialNumber = formatTaggedSerial(randomBytes(20), pods[index % pods.length]);
  return mintLeaf({ issuer: authority, uriSans: [identity], key: authority.key, serialNumber, ...times });
});

/** As many pods as the certificate authority allows, and these. */
function podsWith(...tags: readonly PodTag[]): Revocations {
  const others = Array.from({ length: entries - tags.length }, () => tagOfPodUid(randomUUID()));
  return { certificates: [], identities: [], pods: [...others, ...tags] };
}

/** As many as the certificate authority allows, and this one. */
function listWith(...serialNumbers: readonly string[]): readonly RevokedCertificate[] {
  const random = () => ({ serialNumber: `4${randomBytes(16).toString("hex").toUpperCase().slice(1)}` });
  return [
    ...Array.from({ length: entries - serialNumbers.length }, random),
    ...serialNumbers.map((serialNumber) => ({ serialNumber })),
  ];
}

const base: TrustAnchors = { roots: [root.certificate], trustDomains };
let trust = base;
let cuts = 0;
const registry = createConnectionRegistry({
  judgePeer: createPeerJudge(() => trust),
  onCut: () => {
    cuts += 1;
  },
});

function openConnections(): void {
  for (let index = 0; index < connections; index += 1) {
    const leaf = leaves[index % CERTIFICATES]?.certificate;
    if (leaf === undefined) throw new Error("there are certificates");
    const certificates = [leaf, authority.certificate];
    const tls = { tlsVersion: "TLSv1.3", cipher: "", keyExchangeGroup: "" };
    const path = [...certificates, root.certificate];
    const peer: VerifiedPeer = { identity, certificates, path, verifiedAtMs: Date.now(), authorities: base, ...tls };
    const address = { ip: "10.0.0.1", port: 80 };
    registry.add({
      ...{ direction: "inbound", stage: "open", client: "", destination: address, endpoint: address, host: "" },
      ...{ peer, rule: "", openedAtMs: 0, policyKey: INBOUND_POLICY, relay: new FakeRelay(), isAllowed: () => true },
      bytes: () => ({ received: 0, sent: 0 }),
    });
  }
}

/** Judges all, and measures how long, and how long the event loop was held up. */
async function judgeAll(next: TrustAnchors) {
  trust = next;
  let isOver = false;
  let longestMs = 0;
  let last = performance.now();
  const tick = (): void => {
    const now = performance.now();
    longestMs = Math.max(longestMs, now - last);
    last = now;
    if (!isOver) setImmediate(tick);
  };
  setImmediate(tick);
  const started = performance.now();
  const before = cuts;
  await registry.judgeTrust();
  const tookMs = performance.now() - started;
  isOver = true;
  return [tookMs.toFixed(1), longestMs.toFixed(1), String(cuts - before)];
}

function heapMb(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1024 ** 2;
}

const [revokedLeaf] = leaves;
const serialNumber = revokedLeaf?.certificate.serialNumber ?? "";
openConnections();

/** Sends a list as the control plane does, and reads it as a proxy does. */
function receive(name: string, sent: Revocations) {
  const bundle = { roots: [root.pem], trustDomains, revocations: sent };
  const message = toBinary(TrustBundleResourceSchema, messageFromTrustBundle(bundle));
  const startMb = heapMb();
  const started = performance.now();
  const held = parseTrustAnchors(trustBundleFromMessage(fromBinary(TrustBundleResourceSchema, message)));
  const tookMs = performance.now() - started;
  const size = `${(message.length / 1024).toFixed(0)} KB in a message`;
  const heldMb = heapMb() - startMb;
  const text = `The list of ${name}: ${size}, read in ${tookMs.toFixed(1)} ms, ${heldMb.toFixed(1)} MB of heap.`;
  return { revocations: held.revocations ?? indexRevocations({ certificates: [], identities: [] }), text };
}

const lists = [
  receive("certificates", { certificates: listWith(serialNumber), identities: [] }),
  receive("pods", podsWith(...pods.slice(0, 1))),
] as const;
const [{ revocations }, { revocations: revokedPods }] = lists;
const rows: string[][] = [[`${connections} connections, ${entries} entries`, "ms", "longest pause, ms", "cut"]];
rows.push([
  "none of them revoked",
  ...(await judgeAll({ ...base, revocations: indexRevocations({ certificates: listWith(), identities: [] }) })),
]);
rows.push(["one certificate revoked", ...(await judgeAll({ ...base, revocations }))]);
rows.push(["the same again", ...(await judgeAll({ ...base, revocations }))]);
rows.push(["none of their pods revoked", ...(await judgeAll({ ...base, revocations: indexRevocations(podsWith()) }))]);
rows.push(["one pod revoked", ...(await judgeAll({ ...base, revocations: revokedPods }))]);
/** Issued again with the same key: chains lead to it after one verification each. */
const renewed = mintRoot({ key: root.key });
rows.push(["another root: all verified again", ...(await judgeAll({ ...base, roots: [renewed.certificate] }))]);
const authorityRevoked = listWith(authority.certificate.serialNumber);
rows.push([
  "their authority revoked",
  ...(await judgeAll({ ...trust, revocations: indexRevocations({ certificates: authorityRevoked, identities: [] }) })),
]);
const caption = formatCaption(describeRun(new Date())).join("\n");
process.stdout.write(`${caption}\n\n${alignColumns(rows)}\n${lists.map(({ text }) => text).join("\n")}\n`);
