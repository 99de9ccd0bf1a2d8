/**
 * How fast a sidecar cuts the connections of a revoked peer, and what others notice: real TLS on loopback, each side in a
 * process of its own. See ../README.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { toBinary } from "@bufbuild/protobuf";
import { messageFromTrustBundle } from "../../mesh/api/convert-trust-bundle.ts";
import { TrustBundleResourceSchema } from "../../mesh/api/gen/discovery_pb.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { describeRun, formatCaption } from "../describe-run.ts";
import type { CertificateFiles } from "../paths/certificates.ts";
import { SERVER_ID, SERVER_NAME } from "../paths/identities.ts";
import type { SideJob } from "../paths/side-job.ts";
import { startChild } from "../processes/child.ts";
import { Forked } from "../processes/forked.ts";
import { alignColumns } from "../report/format-table.ts";
import { machineMs } from "../scale/messages.ts";
import type { ClientsJob, FromClients, FromProxy, ToClients, ToProxy } from "./messages.ts";

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "10000" },
    others: { type: "string", default: "50" },
    protocol: { type: "string", default: "http" },
  },
});
const connections = Number(values.connections);
const others = Number(values.others);
const protocol = values.protocol === "tcp" ? "tcp" : "http";
/** Of requests before, and of requests while and after the connections are cut. */
const WINDOW_MS = 5000;
const DEADLINE_MS = 600_000;
const HOUR_MS = 3_600_000;
const REVOKED = parseSpiffeId("spiffe://cluster.local/ns/bench/sa/revoked");

const folder = mkdtempSync(join(tmpdir(), "entente-bench-"));
const root = mintRoot();
const rootFile = write("root.pem", root.pem);
const signal = AbortSignal.timeout(DEADLINE_MS);

function write(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

function certificateOf(name: string, identity: string, dnsSans: readonly string[] = []): string {
  const dates = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
  const { pem, keyPem } = mintLeaf({ issuer: root, uriSans: [identity], dnsSans, ...dates });
  return write(`${name}.pem`, pem + keyPem);
}

/** What a client presents. */
function clientFiles(name: string, identity: string): CertificateFiles {
  const file = certificateOf(name, identity);
  return { root: rootFile, client: file, server: file };
}

function startProxy(port: number, upstreamPort: number): Forked<ToProxy, FromProxy> {
  const job: SideJob = {
    ...{ side: "server", port, upstreamPort, originalPort: upstreamPort, protocol, hopVersion: "1.1" },
    ...{
      identity: SERVER_ID,
      peerIdentity: REVOKED,
      certificateFile: certificateOf("server", SERVER_ID, [SERVER_NAME]),
      rootFile,
    },
  };
  const program = new URL("proxy-process.ts", import.meta.url);
  return new Forked(program, [JSON.stringify(job), String(connections + others + 1000)]);
}

function startClients(job: ClientsJob): Forked<ToClients, FromClients> {
  return new Forked(new URL("clients-process.ts", import.meta.url), [JSON.stringify(job)]);
}

/** As the control plane sends it. */
function formatRevocation(): string {
  const message = messageFromTrustBundle({
    ...{ roots: [readFileSync(rootFile, "utf8")], trustDomains: [parseTrustDomain("cluster.local")] },
    revocations: { certificates: [], identities: [REVOKED] },
  });
  return Buffer.from(toBinary(TrustBundleResourceSchema, message)).toString("base64");
}

async function measure(stops: (() => Promise<void>)[]): Promise<string> {
  const backend = fileURLToPath(new URL("../load/backend-process.ts", import.meta.url));
  const started = await startChild({ command: [execPath, backend], readiness: "line" });
  stops.push(() => started.stop());
  const port = await findFreePort();
  const proxy = startProxy(port, Number(started.firstLine));
  stops.push(() => proxy.stop());
  await proxy.next("ready", signal);

  process.stderr.write(`opening ${connections} connections …\n`);
  const revoked = startClients({ role: "idle", port, certificates: [clientFiles("revoked", REVOKED)], connections });
  stops.push(() => revoked.stop());
  const { count, failures } = await revoked.next("open", signal);
  if (failures > 0) throw new Error(`${failures} of ${connections} connections could not be opened`);

  const identities = Array.from({ length: others }, (_, index) => `spiffe://cluster.local/ns/bench/sa/other-${index}`);
  const certificates = identities.map((identity, index) => clientFiles(`other-${index}`, identity));
  const asking = startClients({ role: "asking", port, certificates, connections: others });
  stops.push(() => asking.stop());
  await asking.next("open", signal);

  const report = async () => {
    const [ofProxy, ofOthers] = [proxy.next("report", signal), asking.next("report", signal)];
    proxy.send({ kind: "report" });
    asking.send({ kind: "report" });
    return { ...(await ofProxy), ...(await ofOthers) };
  };
  await report();
  await sleep(WINDOW_MS, undefined, { signal });
  const before = await report();
  const closed = revoked.next("closed", signal);
  const revokedMs = machineMs();
  proxy.send({ kind: "trust", bundle: formatRevocation() });
  const cutMs = (await closed).lastMs - revokedMs;
  await sleep(Math.max(0, WINDOW_MS - cutMs), undefined, { signal });
  const meanwhile = await report();
  const rows = Object.entries({ before, "revoked and after": meanwhile }).map(([name, one]) => [
    ...[`${name}, ${WINDOW_MS / 1000} s`, one.longestPauseMs.toFixed(0), one.cpuMs.toFixed(0)],
    ...[one.residentMb.toFixed(0), String(one.requests), String(one.failures.length)],
    ...[one.p50Ms.toFixed(1), one.slowestMs.toFixed(0)],
  ]);
  const header = ["longest pause, ms", "CPU, ms", "resident MB", "requests", "failed", "p50 ms", "slowest ms"];
  const table = alignColumns([[`${others} others`, ...header], ...rows]);
  const head = `${count} connections (${protocol}) of the revoked identity: the last one closed after ${cutMs.toFixed(0)} ms`;
  return `${formatCaption(describeRun(new Date())).join("\n")}\n\n${head}\n${table}\n${meanwhile.failures.slice(0, 5).join("\n")}`;
}

const stops: (() => Promise<void>)[] = [() => Promise.resolve(rmSync(folder, { recursive: true }))];
try {
  process.stdout.write(`${await measure(stops)}\n`);
} finally {
  for (const stop of stops.toReversed()) await stop();
}
