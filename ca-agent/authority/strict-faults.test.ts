import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { formatSequence } from "../../mesh/identity/der-writer.ts";
import {
  type MintedCertificate,
  type MintRootOptions,
  mintRoot,
} from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock as clock } from "../../mesh/runtime.ts";
import { createRequest } from "../x509/request-fixture.ts";
import { adoptFiles } from "./adopt-files.ts";
import type { LiveAuthority } from "./live-authority.ts";
import { openAuthority, readDirectoryAuthority } from "./open-authority.ts";
import { findStrictFaults } from "./strict-faults.ts";

const trustDomain = parseTrustDomain("cluster.local");
const IDENTITY = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
const NAMELESS = formatSequence();
const log = new RecordingLogger();
let folder: string;
let authority: LiveAuthority | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-strict-"));
  log.records.length = 0;
});
afterEach(() => {
  authority?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Istio's four files. */
function write(root: MintedCertificate, signer: MintedCertificate): void {
  const files = { "ca-cert": signer.pem, "ca-key": signer.keyPem, "root-cert": root.pem, "cert-chain": signer.pem };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, `${name}.pem`), text, { mode: 0o600 });
}

function verify(leaf: string, signer: MintedCertificate, ...options: readonly string[]): string {
  const path = (name: string) => join(folder, name);
  writeFileSync(path("leaf.txt"), leaf);
  writeFileSync(path("signer.txt"), signer.pem);
  const files = ["-CAfile", path("root-cert.pem"), "-untrusted", path("signer.txt"), path("leaf.txt")];
  try {
    execFileSync("openssl", ["verify", ...options, ...files], { stdio: "pipe" });
    return "OK";
  } catch (caught) {
    return /error (\d+) at/.exec(String(caught))?.[1] ?? String(caught);
  }
}

const named = mintRoot({ commonName: "company" });
const cases: readonly {
  readonly name: string;
  readonly root?: MintedCertificate;
  readonly signer?: MintRootOptions;
  /** OK, or the number of OpenSSL's error. */
  readonly verdict: string;
  readonly fault?: string;
}[] = [
  { name: "is in order", verdict: "OK" },
  { name: "has a signer without a subject", signer: { subject: NAMELESS }, verdict: "83", fault: "subject:" },
  { name: "has a root without a subject", root: mintRoot({ subject: NAMELESS }), verdict: "83", fault: "subject:" },
  {
    name: "has a signer without key identifiers",
    signer: { keyIdentifier: "none" },
    ...{ verdict: "85", fault: "subject key identifier and no authority key identifier:" },
  },
  {
    name: "has a root without a key identifier",
    root: mintRoot({ commonName: "old", keyIdentifier: "none" }),
    ...{ verdict: "86", fault: "subject key identifier:" },
  },
];

it.each(cases)(
  "an authority that $name: a leaf verifies, strictly with $verdict, and the log says so",
  async (given) => {
    const { root = named, verdict, fault } = given;
    const signer = mintRoot({ commonName: "mesh", issuer: root, ...given.signer });
    write(root, signer);
    authority = await openAuthority({ directory: folder, trustDomain, clock, log });
    const csrPem = createRequest();
    const [leaf = ""] = await authority.signWorkload({ csrPem, identity: IDENTITY, lifetimeMs: 3_600_000 });
    expect([verify(leaf, signer), verify(leaf, signer, "-x509_strict")]).toEqual(["OK", verdict]);
    const expected = fault === undefined ? [] : [expect.stringContaining(`has no ${fault}`)];
    expect(findStrictFaults(authority.signingPath())).toEqual(expected);
    expect(log.find("authority_not_strict").map(({ message }) => message)).toEqual(expected);
  },
);

it("is said when a running authority has changed to such a one", async () => {
  write(named, mintRoot({ commonName: "mesh", issuer: named }));
  authority = await openAuthority({ directory: folder, trustDomain, clock, log });
  write(named, mintRoot({ issuer: named, subject: NAMELESS }));
  const files = await readDirectoryAuthority(folder);
  if (files === undefined) throw new Error("no files");
  expect(await adoptFiles(authority, files, { trustDomain, clock, randomBytes, log })).toBe("in_force");
  expect(log.find("authority_not_strict")).toMatchObject([{ level: "warn", fields: { from: folder } }]);
});
