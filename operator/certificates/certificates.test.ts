import { describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { ClusterHarness } from "../installed-cluster-fixture.ts";
import { PLAIN } from "../text/palette.ts";
import { validateCertificatesPage } from "./certificates-page.ts";
import { createCertificatesReport } from "./certificates-report.ts";
import { formatCertificates } from "./format-certificates.ts";
import { certificatesIn, readCertificatesPage, readPublishedRoots } from "./read-certificates.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = Date.parse("2026-01-01T12:00:00Z");
const IDENTITY = "spiffe://cluster.local/ns/ns1/sa/web";
const at = (hours: number) => new Date(NOW_MS + hours * HOUR_MS).toISOString();

const PAGE = {
  state: "active",
  identity: IDENTITY,
  generation: 3,
  trust_domains: ["cluster.local"],
  chain: [
    {
      subject_ids: [IDENTITY],
      serial_number: "0A1B",
      key: "EC prime256v1",
      not_before: at(-2),
      not_after: at(22),
      sha256: "AA",
    },
  ],
  roots: [
    { subject: "O=cluster.local", serial_number: "01", not_before: at(-24), not_after: at(87_600), sha256: "RR" },
  ],
};
const leaf = (changes: object) => ({ ...PAGE, chain: [{ ...PAGE.chain[0], ...changes }] });

function report(page: object, changes: object = {}) {
  return createCertificatesReport({
    pod: "web.ns1",
    page: validateCertificatesPage(page),
    expected: [IDENTITY],
    publishedRoots: ["RR"],
    nowMs: NOW_MS,
    ...changes,
  });
}

describe("the certificates of a proxy", () => {
  it("are in order", () => {
    expect(report(PAGE)).toMatchObject({ identity: IDENTITY, generation: 3, problems: [] });
    expect(report(PAGE, { publishedRoots: undefined, expected: [] }).problems).toEqual([]);
  });

  it.each([
    { name: "none", page: { state: "none" }, problem: "no valid certificate" },
    { name: "expired", page: leaf({ not_after: at(-1) }), problem: "0A1B expired at 2026-01-01T11:00:00.000Z" },
    {
      name: "renewed too late",
      page: leaf({ not_before: at(-18), not_after: at(6) }),
      problem: "should have been renewed",
    },
    {
      name: "renewed too late, of a life of an hour",
      page: leaf({ not_before: at(-1.8), not_after: at(0.2) }),
      problem: "should have been renewed",
    },
    {
      name: "of another identity",
      page: { ...PAGE, identity: `${IDENTITY}2` },
      problem: `service account is ${IDENTITY}`,
    },
  ])("are reported if there is $name", ({ page, problem }) => {
    expect(report(page).problems).toEqual([expect.stringContaining(problem)]);
  });

  it.each([
    { name: "an hour", not_before: at(-1.6), not_after: at(0.43) },
    { name: "half a minute", not_before: at(-1.0375), not_after: at(0.0042) },
    { name: "an hour, backdated by two minutes", not_before: at(-0.55), not_after: at(0.48) },
  ])("are in order in the middle of a life of $name", ({ name: _, ...times }) => {
    expect(report(leaf(times)).problems).toEqual([]);
  });

  it("are reported if the trusted roots are not those of the namespace", () => {
    expect(report(PAGE, { publishedRoots: ["RR", "NEW"] }).problems).toEqual([
      expect.stringContaining("does not trust the root NEW"),
    ]);
    expect(report(PAGE, { publishedRoots: [] }).problems).toEqual([expect.stringContaining("trusts the root RR")]);
  });

  it("as text have serial number, key and time left", () => {
    const text = formatCertificates(report(PAGE), NOW_MS, PLAIN);
    expect(text).toMatch(new RegExp(`^own +${IDENTITY} +EC prime256v1 +0A1B .* 22h$`, "m"));
    expect(text).toMatch(/^root +O=cluster\.local +- +01 .* 3650d$/m);
  });

  it("show how much is revoked, if anything is", () => {
    const textOf = (page: object) => formatCertificates(report(page), NOW_MS, PLAIN);
    expect(textOf({ ...PAGE, revocations: 12 })).toMatch(/^Revocations: +12$/m);
    expect(textOf({ ...PAGE, revocations: 0 })).not.toContain("Revocations");
    expect(textOf(PAGE)).not.toContain("Revocations");
  });

  it("include the roots of foreign trust domains, which the namespace does not have", () => {
    const federated = [
      { trust_domain: "there.example", roots: [{ ...PAGE.roots[0], subject: "CN=there", sha256: "FF" }] },
    ];
    const found = report({ ...PAGE, federated });
    expect(found).toMatchObject({
      problems: [],
      federated: [{ trustDomain: "there.example", roots: [{ names: ["CN=there"], sha256: "FF" }] }],
    });
    expect(formatCertificates(found, NOW_MS, PLAIN)).toMatch(/^root of there\.example +CN=there /m);
  });

  it("are refused if the page is something else, and what is unknown in it is not repeated", () => {
    expect(() => validateCertificatesPage({ state: "active" })).toThrow("is the proxy another version?");
    const page = validateCertificatesPage({ ...PAGE, private_key: "SECRET" });
    expect(JSON.stringify(page)).not.toContain("SECRET");
  });

  it.each([
    { name: "an error", page: { status: 500, body: "broken" }, message: "status 500: broken" },
    { name: "no JSON", page: { status: 200, body: "<html>" }, message: "is not JSON" },
  ])("are refused if the page is $name", async ({ page, message }) => {
    const pod = { namespace: "ns1", name: "web" };
    const reading = readCertificatesPage({ get: async () => page }, pod, new AbortController().signal);
    await expect(reading).rejects.toThrow(`/certs on port 15000 of pod ns1/web`);
    await expect(reading).rejects.toThrow(message);
  });
});

describe("the roots of a namespace", () => {
  const { signal } = new AbortController();
  const [one, other] = [mintRoot().pem, mintRoot().pem];

  it("are read from its ConfigMap", async () => {
    const { api } = new ClusterHarness().put({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "istio-ca-root-cert", namespace: "ns1" },
      data: { "root-cert.pem": `${one}\n${other}` },
    });
    const expected = certificatesIn(`${one}${other}`).map(({ fingerprint256 }) => fingerprint256);
    expect(expected).toHaveLength(2);
    expect(await readPublishedRoots(api, "ns1", signal)).toEqual(expected);
    expect(await readPublishedRoots(api, "ns2", signal)).toBeUndefined();
  });

  it("are without those that are not certificates", () => {
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    expect(certificatesIn(`${broken}${one}`)).toHaveLength(1);
  });
});
