import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { formatOid, formatSequence, INVALID_TIME } from "../../mesh/identity/der-writer.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { PlainValue } from "../../mesh/resources/parsing/plain-value.ts";
import { parseCaCertificates } from "./ca-certificates.ts";

const [one, two] = [mintRoot({ commonName: "one" }), mintRoot({ commonName: "two" })];
const OWN = ["here.example", "old.example"].map(parseTrustDomain);
const trustDomains = ["there.example"];
const URL_ = "https://bundles.there.example/bundle?key=1";

function parse(...entries: readonly PlainValue[]) {
  return parseCaCertificates(entries, OWN);
}

describe("the authorities of foreign trust domains", () => {
  it("are certificates, or a bundle endpoint", () => {
    const text = `# one\n${one.pem}\n# two, and one again\n${two.pem}${one.pem}`;
    expect(
      parse({ pem: text, trustDomains }, { spiffeBundleUrl: URL_, trustDomains: ["a", "b", "a"], pem: null }),
    ).toEqual([
      { kind: "pem", trustDomains, roots: [one.certificate.toString(), two.certificate.toString()] },
      { kind: "bundle endpoint", trustDomains: ["a", "b"], url: URL_ },
    ]);
    expect(parse({ spiffeBundleUrl: "file:///etc/istio/config/there%20a.json", trustDomains })).toEqual([
      { kind: "bundle file", trustDomains, path: "/etc/istio/config/there a.json" },
    ]);
    expect(parse()).toEqual([]);
  });

  const intermediate = mintRoot({ commonName: "intermediate", issuer: one });
  const leaf = mintLeaf({
    ...{ issuer: one, uriSans: ["spiffe://there.example/ns/a/sa/b"] },
    ...{ notBefore: new Date("2025-01-01"), notAfter: new Date("2035-01-01") },
  });
  const weak = mintRoot({ key: generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey });
  const undated = mintRoot({ notAfter: INVALID_TIME });
  const constrained = mintRoot({ extensions: [{ oid: "2.5.29.30", critical: true, der: formatSequence() }] });
  const codeSigning = formatSequence(formatOid("1.3.6.1.5.5.7.3.3"));
  const otherwise = mintRoot({ extensions: [{ oid: "2.5.29.37", critical: false, der: codeSigning }] });
  const namesake = mintRoot({ commonName: "one", key: two.key, issuer: one });
  const pemOf = (pem: string) => ({ pem, trustDomains });
  it.each([
    { name: "without trust domains", entry: { pem: one.pem }, path: "trustDomains: it is missing: name the foreign" },
    {
      name: "with an empty list of them",
      entry: { pem: one.pem, trustDomains: [] },
      path: "root-cert.pem of the Secret cacerts",
    },
    {
      name: "with a text for them",
      entry: { pem: one.pem, trustDomains: "a" },
      path: "trustDomains: it must be a list",
    },
    {
      name: "of the mesh's own domain",
      entry: { pem: one.pem, trustDomains: ["a", "here.example"] },
      path: "trustDomains[1]: here.example is a trust domain of this mesh",
    },
    {
      name: "of an alias",
      entry: { spiffeBundleUrl: URL_, trustDomains: ["old.example"] },
      path: "trustDomains[0]: old.example is a trust domain of this mesh",
    },
    {
      name: "of the domain that policies use for the mesh's",
      entry: { pem: one.pem, trustDomains: ["cluster.local"] },
      path: "give the other mesh a trust domain of its own",
    },
    {
      name: "of what is no trust domain",
      entry: { pem: one.pem, trustDomains: ["There"] },
      path: 'trustDomains[0]: trust_domain: "There" is not a trust domain',
    },
    {
      name: "with both",
      entry: { pem: one.pem, spiffeBundleUrl: URL_, trustDomains },
      path: ": it must have either pem or spiffeBundleUrl",
    },
    { name: "with neither", entry: { trustDomains }, path: ": it must have either pem or spiffeBundleUrl" },
    {
      name: "with signers of Kubernetes",
      entry: { pem: one.pem, trustDomains, certSigners: ["a"] },
      path: "certSigners: it is not supported: leave it out",
    },
    {
      name: "with a misspelt field",
      entry: { spiffeBundleURL: URL_, trustDomains },
      path: "spiffeBundleURL: it is unknown; the fields are pem, spiffeBundleUrl, trustDomains",
    },
    { name: "that is a text", entry: one.pem, path: ": it must be a mapping with pem or spiffeBundleUrl" },
    { name: "with an empty text", entry: pemOf(""), path: "pem: it must be a text" },
    { name: "with a text that is no PEM", entry: pemOf("one"), path: "pem: it holds no PEM certificate" },
    {
      name: "with half a certificate",
      entry: pemOf(`${one.pem}${two.pem.slice(0, 200)}`),
      path: "pem: it holds something else than whole PEM certificates",
    },
    { name: "with a private key", entry: pemOf(`${one.pem}${one.keyPem}`), path: "give the CA certificates alone" },
    {
      name: "with a certificate that is damaged",
      entry: pemOf(one.pem.replace(/MII/, "MIJ")),
      path: "pem: certificate 1 cannot be read",
    },
    { name: "with a workload's certificate", entry: pemOf(`${one.pem}${leaf.pem}`), path: "pem: certificate 2: " },
    {
      name: "with an intermediate",
      entry: pemOf(intermediate.pem),
      path: "pem: certificate 1 is not self-signed: give the root",
    },
    { name: "with one that another key has signed", entry: pemOf(namesake.pem), path: "is not self-signed" },
    { name: "with a date that is none", entry: pemOf(undated.pem), path: "notAfter is not a time in RFC 5280's form" },
    { name: "with a weak key", entry: pemOf(weak.pem), path: "RSA key of 1024 bits" },
    { name: "with name constraints", entry: pemOf(constrained.pem), path: "name constraints, which is not supported" },
    {
      name: "with a root for other uses than TLS",
      entry: pemOf(otherwise.pem),
      path: "neither TLS servers nor TLS clients",
    },
    {
      name: "with 17 roots",
      entry: pemOf(Array.from({ length: 17 }, () => mintRoot().pem).join("")),
      path: "pem: it holds 17 roots; at most 16 are accepted",
    },
    {
      name: "with an endpoint in plaintext",
      entry: { spiffeBundleUrl: "http://a.example/", trustDomains },
      path: "spiffeBundleUrl: it must begin with https:// or file:///",
    },
    ...["file://server/a.json", "file:///a.json?b", "file:///a.json#b"].map((spiffeBundleUrl) => ({
      name: `with ${spiffeBundleUrl}`,
      entry: { spiffeBundleUrl, trustDomains },
      path: "spiffeBundleUrl: it must name a file of the control plane's machine",
    })),
    {
      name: "with a file whose name has a coded slash",
      entry: { spiffeBundleUrl: "file:///a%2Fb", trustDomains },
      path: "spiffeBundleUrl: ",
    },
    {
      name: "with a password in the address",
      entry: { spiffeBundleUrl: "https://a:secret@a.example/", trustDomains },
      path: "spiffeBundleUrl: it must not contain a user or a password",
    },
    {
      name: "with what is no address",
      entry: { spiffeBundleUrl: "a.example", trustDomains },
      path: "spiffeBundleUrl: it must be a URL",
    },
  ])("$name are refused by field, with the fix", ({ entry, path }) => {
    const error = messageOf(() => parse({ pem: two.pem, trustDomains }, entry));
    expect(error).toMatch(/^caCertificates\[1\]/);
    expect(error).toContain(path);
    expect(error).not.toContain("secret");
  });

  it("are a list of limited length", () => {
    expect(messageOf(() => parseCaCertificates("x", OWN))).toBe('caCertificates: it must be a list, got "x"');
    const domains = Array.from({ length: 33 }, (_, index) => `d${index}`);
    expect(messageOf(() => parse({ pem: one.pem, trustDomains: domains }))).toContain("33 trust domains; at most 32");
    const entries = Array.from({ length: 65 }, () => ({ pem: one.pem, trustDomains }));
    expect(messageOf(() => parse(...entries))).toContain("65 entries; at most 64");
  });
});

function messageOf(parseIt: () => unknown): string {
  try {
    parseIt();
  } catch (caught) {
    return caught instanceof Error ? caught.message : String(caught);
  }
  return "accepted";
}
