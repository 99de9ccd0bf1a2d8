import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import { createCsr } from "../../ca-agent/authority/authority-fixture.ts";
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { SecretHarness } from "../../ca-agent/authority/secrets/secret-authority-fixture.ts";
import { findAuthorities, readVerifiedLists } from "../../ca-agent/revocation/lists/verify-lists.ts";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { evaluateChecks } from "../../operator/checks/evaluate-checks.ts";
import { checkedCluster, createHealthyCluster, rootsIn } from "../../operator/checks/healthy-cluster-fixture.ts";
import { readClusterFacts } from "../../operator/checks/read-cluster-facts.ts";

/** The guide's commands, as they stand there, on two machines: each is a folder here. */
const guide = readFileSync(join(import.meta.dirname, "README.md"), "utf8");
const BLOCKS = [...guide.matchAll(/```sh\n# (offline|administrator|cluster)\n([\s\S]+?)```/g)].map(
  ([, machine = "", script = ""]) => ({ machine, script }),
);
const PASSPHRASE = "correct horse battery staple\n";

const cleanup = new Cleanup();
let folder: string;
const path = (machine: string, name: string): string => join(folder, machine, name);
const carry = (name: string, from: string, to: string): void => copyFileSync(path(from, name), path(to, name));

/** In a session of its own, without a terminal: openssl then reads the passphrase from standard input. */
function run(script: string, machine: string): string {
  const options = {
    cwd: join(folder, machine),
    input: PASSPHRASE.repeat(2),
    env: { ...process.env, PATH: `${join(folder, "bin")}:${process.env["PATH"]}` },
    encoding: "utf8",
    timeout: 30_000,
  } as const;
  const { status, stdout, stderr } = spawnSync("setsid", ["--wait", "bash", "-euo", "pipefail", "-c", script], options);
  if (status !== 0) throw new Error(`${script}\nended with ${status}: ${stderr}`);
  return stdout;
}

/** @param at where it is run; what is run against the cluster, at the administrator's machine. */
function runBlock(machine: string, part: string, at = machine): string {
  const found = BLOCKS.filter((block) => block.machine === machine && block.script.includes(part));
  const [block] = found;
  if (block === undefined || found.length > 1) throw new Error(`${found.length} blocks for ${machine} have ${part}`);
  return run(block.script, at);
}

/** Has one ConfigMap, and prints the patch of one Secret. */
const KUBECTL = `#!/bin/sh
case "$*" in
  "get configmap istio-ca-root-cert -n istio-system -o jsonpath={.data.root-cert\\.pem}") printf 'the own root\n';;
  "patch secret cacerts -n istio-system -p "*) printf %s "$7";;
  *) echo "unexpected: $*" >&2; exit 1;;
esac
`;

/** What the guide does for each intermediate. */
function makeIntermediate(): void {
  runBlock("administrator", "openssl req -new");
  carry("ca.csr", "administrator", "offline");
  runBlock("offline", "openssl x509 -req");
  for (const name of ["ca-cert.pem", "root-cert.pem"]) carry(name, "offline", "administrator");
  expect(runBlock("administrator", "openssl verify")).toBe("ca-cert.pem: OK\n");
}

/** The files that the guide's kubectl command puts into the Secret. */
function filesOfSecret(): Readonly<Record<string, string>> {
  const command = BLOCKS.find(({ script }) => script.includes("create secret generic cacerts"))?.script ?? "";
  const names = [...command.matchAll(/--from-file=(\S+)/g)].map(([, name = ""]) => name);
  return Object.fromEntries(names.map((name) => [name, readFileSync(path("administrator", name), "utf8")]));
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-offline-"));
  for (const machine of ["offline", "administrator", "bin"]) mkdirSync(join(folder, machine));
  writeFileSync(path("bin", "kubectl"), KUBECTL, { mode: 0o755 });
  runBlock("offline", "openssl genpkey");
  runBlock("offline", "openssl req -x509");
  makeIntermediate();
});
afterEach(() => cleanup.run());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("the guide's list revokes the stolen intermediate, and nothing else", () => {
  copyFileSync(path("offline", "ca-cert.pem"), path("offline", "stolen-cert.pem"));
  const read = (name: string): string => readFileSync(path("offline", name), "utf8");
  runBlock("offline", "-revoke stolen-cert.pem");
  runBlock("offline", "-gencrl");
  const { serialNumber } = new X509Certificate(read("stolen-cert.pem"));
  const authorities = findAuthorities([read("root-cert.pem")], read("stolen-cert.pem"));
  const patch = runBlock("cluster", "ca-crl.pem", "offline");
  expect(JSON.parse(patch)).toEqual({ data: { "ca-crl.pem": btoa(read("ca-crl.pem")) } });
  const lists = readVerifiedLists(read("ca-crl.pem"), authorities);
  expect(lists.map(({ serialNumbers }) => serialNumbers)).toEqual([[normalizeSerialNumber(serialNumber)]]);
});

it("the guide's commands put both roots into the Secret, then the new one alone, without the key", () => {
  const root = readFileSync(path("administrator", "root-cert.pem"), "utf8");
  runBlock("cluster", "both-roots.pem", "administrator");
  expect(readFileSync(path("administrator", "both-roots.pem"), "utf8")).toBe(`${root}the own root\n`);
  expect(JSON.parse(runBlock("cluster", "base64 -w0 root-cert.pem", "administrator"))).toEqual({
    data: { "root-cert.pem": btoa(root) },
  });
});

const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/web");

/** A workload's chain, as the authority signs it. openssl judges it by the root alone. */
async function issue(authority: Authority): Promise<readonly string[]> {
  const chain = await authority.signWorkload({ csrPem: createCsr(), identity, lifetimeMs: 3_600_000 });
  writeFileSync(path("administrator", "leaf.pem"), chain[0] ?? "");
  writeFileSync(path("administrator", "between.pem"), chain.slice(1, -1).join(""));
  const verify = "openssl verify -x509_strict -CAfile root-cert.pem -untrusted between.pem leaf.pem";
  expect(run(verify, "administrator")).toBe("leaf.pem: OK\n");
  return chain;
}

describe("the guide's offline root", () => {
  it("has a key with a passphrase, and signs only authorities that sign no further ones", () => {
    expect(readFileSync(path("offline", "root-key.pem"), "utf8")).toContain("ENCRYPTED PRIVATE KEY");
    const text = run("openssl x509 -in ca-cert.pem -noout -ext basicConstraints,keyUsage", "administrator");
    expect(text).toContain("CA:TRUE, pathlen:0");
    expect(text).toContain("Certificate Sign, CRL Sign");
  });

  it("is accepted as a Secret, and the intermediate is replaced while the control plane runs", async () => {
    const harness = new SecretHarness(cleanup);
    // It stands still: what openssl makes in the meantime must be valid already.
    harness.clock.jump(systemClock.now() + 60_000 - harness.clock.now());
    harness.put("cacerts", filesOfSecret());
    const { authority } = await harness.start();
    const first = await issue(authority);
    makeIntermediate();
    harness.put("cacerts", filesOfSecret());
    await harness.follow("the authority has changed");
    const second = await issue(authority);
    expect(second[1]).not.toBe(first[1]);
    expect([second.at(-1), authority.roots()]).toEqual([
      first.at(-1),
      [readFileSync(path("offline", "root-cert.pem"), "utf8")],
    ]);
  });

  it("passes entente check", async () => {
    const root = readFileSync(path("offline", "root-cert.pem"), "utf8");
    const harness = createHealthyCluster();
    for (const namespace of ["default", "kube-system", "istio-system", "ns1"]) harness.put(rootsIn(namespace, root));
    const facts = await readClusterFacts(checkedCluster(harness), "health", new AbortController().signal);
    const group = evaluateChecks(facts, "health").find(({ name }) => name === "certificate authority");
    expect(group?.checks.map(({ outcome }) => outcome.kind)).toEqual(["ok", "ok"]);
  });

  it("is accepted as the files of a directory, without Kubernetes", async () => {
    chmodSync(path("administrator", "ca-key.pem"), 0o600);
    chmodSync(join(folder, "administrator"), 0o700);
    const log = new RecordingLogger();
    const trustDomain = parseTrustDomain("cluster.local");
    const authority = await openAuthority({
      directory: join(folder, "administrator"),
      trustDomain,
      clock: systemClock,
      log,
    });
    cleanup.add(() => authority.stop());
    const [, intermediate = ""] = await issue(authority);
    expect(new X509Certificate(intermediate).issuer).toContain("CN=mesh root 1");
  });
});
