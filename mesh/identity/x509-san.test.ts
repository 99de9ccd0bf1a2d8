import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatDer, formatSequence } from "./der-writer.ts";
import { IdentityError } from "./identity-error.ts";
import { mintLeaf, mintRoot, type RawExtension } from "./mint-certificate-fixture.ts";
import { EXTENSION_OID } from "./x509-extensions.ts";
import { readSubjectAltNames, readUriSans } from "./x509-san.ts";

const root = mintRoot();
const validity = { notBefore: new Date("2024-01-01"), notAfter: new Date("2034-01-01") };
const SPIFFE = "spiffe://cluster.local/ns/a/sa/b";

function leafDer(options: { uriSans?: string[]; dnsSans?: string[]; extensions?: RawExtension[] }): Buffer {
  return mintLeaf({ issuer: root, uriSans: [], ...validity, ...options }).certificate.raw;
}

/** A certificate whose SAN extension has this content. */
function withSan(der: Uint8Array): Buffer {
  return leafDer({ extensions: [{ oid: EXTENSION_OID.subjectAltName, critical: true, der }] });
}

describe("readSubjectAltNames", () => {
  it("parses each kind of name", () => {
    const der = leafDer({ uriSans: [SPIFFE, "https://x"], dnsSans: ["a.example", "b.example"] });
    expect(readSubjectAltNames(der)).toEqual({
      uris: [SPIFFE, "https://x"],
      dnsNames: ["a.example", "b.example"],
      emails: [],
      others: 0,
    });
  });

  it("returns no names without the extension", () => {
    expect(readUriSans(leafDer({}))).toEqual([]);
  });

  it("counts addresses and directory names without parsing them", () => {
    const address = formatDer(0x87, Buffer.from([10, 0, 0, 1]));
    const directory = formatDer(0xa4, formatSequence());
    expect(readSubjectAltNames(withSan(formatSequence(address, directory))).others).toBe(2);
  });

  it("does not let a DNS name with a comma forge a URI (CVE-2021-44532)", () => {
    const forged = leafDer({ dnsSans: [`a.example,URI:${SPIFFE}`] });
    expect(readUriSans(forged)).toEqual([]);
  });

  const uri = formatDer(0x86, Buffer.from(SPIFFE));
  it.each([
    { name: "an embedded NUL (CVE-2025-66220)", der: () => leafDer({ uriSans: [`${SPIFFE}\0.evil`] }) },
    { name: "a letter beyond ASCII", der: () => leafDer({ uriSans: ["spiffe://cluster.local/ns/a/sa/\xfc"] }) },
    { name: "a line break", der: () => leafDer({ uriSans: [`${SPIFFE}\n`] }) },
    { name: "a space", der: () => leafDer({ uriSans: ["spiffe://cluster.local/ns/a/sa/b c"] }) },
    { name: "an empty name", der: () => leafDer({ uriSans: [""] }) },
    { name: "an empty list", der: () => withSan(formatSequence()) },
    { name: "a constructed URI", der: () => withSan(formatSequence(formatDer(0xa6, Buffer.from(SPIFFE)))) },
    { name: "an unknown kind of name", der: () => withSan(formatSequence(formatDer(0x8a, Buffer.from("x")))) },
    { name: "garbage after the list", der: () => withSan(Buffer.concat([formatSequence(uri), Buffer.from([0])])) },
    { name: "a value that is not a list", der: () => withSan(uri) },
    { name: "a name longer than its list", der: () => withSan(Buffer.from([0x30, 0x03, 0x86, 0x05, 0x61])) },
    { name: "a length that is not minimal", der: () => withSan(Buffer.from([0x30, 0x81, 0x03, 0x86, 0x01, 0x61])) },
    {
      name: "a length with a leading zero",
      der: () => withSan(Buffer.from([0x30, 0x82, 0x00, 0x03, 0x86, 0x01, 0x61])),
    },
    { name: "an indefinite length", der: () => withSan(Buffer.from([0x30, 0x80, 0x86, 0x01, 0x61, 0, 0])) },
    { name: "an overlong length", der: () => withSan(Buffer.from([0x30, 0x85, 0, 0, 0, 0, 3, 0x86, 0x01, 0x61])) },
    {
      name: "a duplicate extension",
      der: () =>
        leafDer({
          uriSans: [SPIFFE],
          extensions: [{ oid: EXTENSION_OID.subjectAltName, critical: false, der: formatSequence(uri) }],
        }),
    },
    {
      name: "garbage after the certificate",
      der: () => Buffer.concat([leafDer({ uriSans: [SPIFFE] }), Buffer.from([0])]),
    },
    { name: "a truncated certificate", der: () => leafDer({ uriSans: [SPIFFE] }).subarray(0, -1) },
    { name: "an empty input", der: () => Buffer.alloc(0) },
    { name: "a certificate of 100 KB", der: () => leafDer({ uriSans: Array(4000).fill(SPIFFE) }) },
  ])("refuses $name", ({ der }) => {
    expect(() => readUriSans(der())).toThrow(IdentityError);
  });

  const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
  it.skipIf(!hasOpenssl)("agrees with openssl on a certificate created by openssl", () => {
    const folder = mkdtempSync(join(tmpdir(), "entente-san-"));
    try {
      const [key, out] = [join(folder, "key.pem"), join(folder, "leaf.pem")];
      const san = `subjectAltName=URI:${SPIFFE},DNS:a.example,IP:10.0.0.1,email:x@y.example`;
      const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key];
      const made = spawnSync("openssl", ["req", "-x509", ...newKey, "-subj", "/CN=x", "-addext", san, "-out", out]);
      expect(made.status, made.stderr.toString()).toBe(0);
      expect(readSubjectAltNames(new X509Certificate(readFileSync(out)).raw)).toEqual({
        uris: [SPIFFE],
        dnsNames: ["a.example"],
        emails: ["x@y.example"],
        others: 1,
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
