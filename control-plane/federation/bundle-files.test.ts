import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Changing, settings } from "../../discovery/discovery-fixture.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { formatOid, formatSequence } from "../../mesh/identity/der-writer.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { BundleFiles } from "./bundle-files.ts";
import { bundleOf } from "./bundle-fixture.ts";

const [one, two] = [mintRoot({ commonName: "one" }), mintRoot({ commonName: "two" })];
const codeSigning = { oid: "2.5.29.37", critical: false, der: formatSequence(formatOid("1.3.6.1.5.5.7.3.3")) };
const otherwise = mintRoot({ extensions: [codeSigning] });
let folder: string;
let file: string;
let clock: FakeClock;
let log: RecordingLogger;
let changing: Changing<typeof settings>;
let files: BundleFiles;
let changes: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-bundles-"));
  file = join(folder, "west.json");
  clock = new FakeClock();
  log = new RecordingLogger();
  changes = 0;
});
afterEach(() => {
  files.stop();
  rmSync(folder, { recursive: true, force: true });
});

function entry(path: string, ...domains: readonly string[]): ForeignAuthorities {
  return { kind: "bundle file", path, trustDomains: domains.map(parseTrustDomain) };
}

function follow(...entries: readonly ForeignAuthorities[]): void {
  changing = new Changing({ ...settings, caCertificates: entries });
  files = new BundleFiles({ settings: changing, clock, log });
  files.subscribe(() => {
    changes += 1;
  });
}

/** As an editor, or the kubelet, replaces a file: whole. */
function replace(text: string, mode = 0o644): void {
  writeFileSync(`${file}.new`, text);
  chmodSync(`${file}.new`, mode);
  renameSync(`${file}.new`, file);
}

function names(path = file): string | undefined {
  return files
    .rootsOf(path)
    ?.map((pem) => (pem === one.pem ? "one" : "two"))
    .join();
}

/** Lets time pass until something is so. */
async function soon(isSo: () => boolean): Promise<void> {
  await until(async () => {
    await clock.advance(2000);
    return isSo();
  });
}

/** Long enough for several looks at the file. */
async function looks(): Promise<void> {
  const before = clock.monotonicMs();
  await soon(() => clock.monotonicMs() > before + 10_000);
}

describe("a bundle in a file", () => {
  it("is a SPIFFE bundle or PEM, and is followed, back to an earlier one as well", async () => {
    replace(bundleOf([one], { spiffe_sequence: 7 }));
    follow(entry(file, "west.example"));
    await soon(() => names() === "one");
    replace(bundleOf([two], { spiffe_sequence: 6 }));
    await soon(() => names() === "two");
    replace(`# both\n${one.pem}${two.pem}`);
    await soon(() => names() === "one,two");
    expect(changes).toBe(3);
    expect(files.status()).toMatchObject([{ trustDomains: ["west.example"] }]);
    expect(files.status()[0]?.ageMs).toBeLessThan(10_000);
  });

  it.each([
    { name: "an empty file", text: "", reason: "it holds no PEM certificate" },
    { name: "half a bundle", text: bundleOf([two]).slice(0, 300), reason: "it is not a JSON Web Key Set" },
    { name: "half a certificate", text: two.pem.slice(0, 200), reason: "it holds no PEM certificate" },
    { name: "an empty bundle", text: '{"keys":[]}', reason: "it is empty" },
    { name: "a private key", text: two.pem + two.keyPem, reason: "give the CA certificates alone" },
    { name: "roots of which one is not for TLS", text: two.pem + otherwise.pem, reason: "allows neither TLS servers" },
    { name: "what others may write", text: two.pem, mode: 0o666, reason: 'run "chmod go-w' },
    { name: "more than a megabyte", text: " ".repeat(1024 * 1024 + 1), reason: "the limit is 1048576" },
  ])("stays in force when the file becomes $name, with one alarm", async ({ text, mode, reason }) => {
    replace(one.pem);
    follow(entry(file, "west.example"));
    await soon(() => names() === "one");
    replace(text, mode);
    await soon(() => log.find("federation_bundle_refused").length > 0);
    await looks();
    expect(names()).toBe("one");
    expect(log.find("federation_bundle_refused")).toMatchObject([
      { level: "error", fields: { reason: expect.stringContaining(reason), path: file } },
    ]);
    replace(two.pem);
    await soon(() => names() === "two");
  });

  it("stays in force when the file is removed, and comes when it is there", async () => {
    follow(entry(file, "west.example"));
    await soon(() => log.find("federation_bundle_refused").length > 0);
    expect([names(), files.status()]).toEqual([undefined, [{ trustDomains: ["west.example"], ageMs: undefined }]]);
    replace(one.pem);
    await soon(() => names() === "one");
    rmSync(file);
    await looks();
    expect([names(), changes]).toEqual(["one", 1]);
  });

  it.each([
    { name: "a folder", make: () => undefined, path: () => folder },
    { name: "a pipe", make: () => execFileSync("mkfifo", [join(folder, "pipe")]), path: () => join(folder, "pipe") },
  ])("is not looked for in $name", async ({ make, path }) => {
    make();
    follow(entry(path(), "west.example"));
    await soon(() => log.find("it is not a file").length > 0);
    expect(names(path())).toBeUndefined();
  });

  it("goes with the last entry that names it, and no timer stays", async () => {
    replace(one.pem);
    follow(entry(file, "west.example"), entry(file, "south.example"));
    await soon(() => names() === "one");
    expect(files.status()[0]?.trustDomains).toEqual(["west.example", "south.example"]);
    changing.change({ ...settings, caCertificates: [] });
    await until(() => clock.pendingTimers === 0);
    expect(names()).toBeUndefined();
  });
});
