/** How many signing requests the certificate authority answers on one core, and node-forge's share. See ../README.md. */
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { Session } from "node:inspector/promises";
import { parseArgs } from "node:util";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import { filesOf } from "../../ca-agent/authority/authority-fixture.ts";
import { createLiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import { parseTrustedMaterial } from "../../ca-agent/authority/trusted-material.ts";
import { registerIssuingService } from "../../ca-agent/issuing-service.ts";
import { tagPodByUid } from "../../ca-agent/revocation/pod-name.ts";
import { parseCertificateRequest } from "../../ca-agent/x509/certificate-request.ts";
import { createRequest, requestForName } from "../../ca-agent/x509/request-fixture.ts";
import { IstioCertificateService } from "../../mesh/api/gen/ca_pb.ts";
import { peerIdentityKey } from "../../mesh/api/peer-context.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { systemClock as clock } from "../../mesh/runtime.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import { alignColumns } from "../report/format-table.ts";
import { median } from "../report/median.ts";

const { values } = parseArgs({
  options: { requests: { type: "string", default: "1000" }, rounds: { type: "string", default: "7" } },
});
const requests = Number(values.requests);
const rounds = Number(values.rounds);

const trustDomain = parseTrustDomain("cluster.local");
const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const lifetimeMs = 24 * 3_600_000;
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => silent };

function ignore(): void {
  // The bench has no log.
}

function ecKey(namedCurve: string): KeyObject {
  return generateKeyPairSync("ec", { namedCurve }).privateKey;
}

function rsaKey(modulusLength: number): KeyObject {
  return generateKeyPairSync("rsa", { modulusLength }).privateKey;
}

/** A request as a sidecar sends it, with the name that it asks for. */
function requestOf(key: KeyObject): string {
  return createRequest({ key, attributes: [requestForName(identity)] });
}

async function createAuthority(key: KeyObject): Promise<Authority> {
  const root = mintRoot({ key });
  const files = filesOf({ signer: root, roots: [root], intermediates: [] });
  const material = await parseTrustedMaterial(files, { trustDomain, clock, randomBytes });
  return createLiveAuthority(material, { clock, randomBytes, log: new RecordingLogger() });
}

/** A client of the service in this process, whose connection a certificate has authenticated. */
function createCaller(authority: Authority): (csr: string) => Promise<unknown> {
  const peer = {
    ...({ kind: "verified", identity, notAfterMs: clock.now() + lifetimeMs, address: "10.0.0.7" } as const),
    certificate: { serialNumber: `706F64${"1A".repeat(17)}`, rootFingerprint: "00:11", authorities: [] },
  };
  const authenticator = {
    authenticate: () => Promise.reject(new Error("a certificate needs no token")),
  };
  const lifetimes = { defaultLifetimeMs: lifetimeMs, maxLifetimeMs: lifetimeMs };
  const deps = {
    authority,
    authenticator,
    tagPod: tagPodByUid,
    trustDomain,
    clock,
    log: silent,
    limitLog: unlimitedLog,
    ...lifetimes,
  };
  const transport = createRouterTransport((router) => registerIssuingService(router, deps), {
    router: {
      interceptors: [
        (next) => (call) => {
          call.contextValues.set(peerIdentityKey, peer);
          return next(call);
        },
      ],
    },
  });
  const client = createClient(IstioCertificateService, transport);
  return (csr) => client.createCertificate({ csr });
}

/** The processor's time of all threads for one call, in µs; the median of the rounds. */
async function measure(call: () => unknown): Promise<number> {
  const figures: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const before = process.cpuUsage();
    for (let index = 0; index < requests; index += 1) await call();
    const { user, system } = process.cpuUsage(before);
    // The first round warms up.
    if (round > 0) figures.push((user + system) / requests);
  }
  return median(figures);
}

/** The share of samples whose own code is node-forge's. */
async function measureForgeShare(call: () => unknown): Promise<number> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.start");
  for (let index = 0; index < 5 * requests; index += 1) await call();
  const { profile } = await session.post("Profiler.stop");
  session.disconnect();
  const samples = profile.nodes.map(({ hitCount = 0, callFrame }) => ({ hitCount, url: callFrame.url }));
  const sum = (those: typeof samples): number => those.reduce((total, { hitCount }) => total + hitCount, 0);
  return sum(samples.filter(({ url }) => url.includes("/node-forge/"))) / sum(samples);
}

const workloads = { "P-256": ecKey("P-256"), "P-384": ecKey("P-384"), "RSA 2048": rsaKey(2048) };
const ours = await createAuthority(ecKey("P-256"));
const istios = await createAuthority(rsaKey(2048));
const rows: (readonly string[])[] = [["one request", "µs", "a second on one core"]];
const add = async (name: string, call: () => unknown): Promise<void> => {
  const us = await measure(call);
  rows.push([name, us.toFixed(0), (1e6 / us).toFixed(0)]);
};
for (const [name, key] of Object.entries(workloads)) {
  const csrPem = requestOf(key);
  await add(`${name}: parsed and verified`, () => parseCertificateRequest(csrPem));
  await add(`${name}: signed by P-256`, () => ours.signWorkload({ csrPem, identity, lifetimeMs }));
  await add(`${name}: signed by RSA 2048`, () => istios.signWorkload({ csrPem, identity, lifetimeMs }));
}
const csr = requestOf(workloads["P-256"]);
const call = createCaller(ours);
await add("P-256: a renewal through the service, with the client's half", () => call(csr));
const share = await measureForgeShare(() => ours.signWorkload({ csrPem: csr, identity, lifetimeMs }));
rows.push(["node-forge's share, P-256 signed by P-256", `${(share * 100).toFixed(1)} %`, ""]);
process.stdout.write(`${formatCaption(describeRun(new Date())).join("\n")}\n\n${alignColumns(rows)}\n`);
