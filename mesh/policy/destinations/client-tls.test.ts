import { describe, expect, it } from "vitest";
import { decide, MUTUAL, PLAIN, rule } from "./client-tls-fixture.ts";

describe("a DestinationRule's TLS settings", () => {
  const ports = (tls?: object) => ({ portLevelSettings: [{ port: { number: 8080 }, ...(tls && { tls }) }] });
  const subset = (trafficPolicy?: object) => ({
    subsets: [{ name: "v1", labels: { version: "v1" }, ...(trafficPolicy && { trafficPolicy }) }],
  });

  it.each([
    { name: "ISTIO_MUTUAL", spec: { trafficPolicy: MUTUAL }, kind: "mutual" },
    { name: "DISABLE", spec: { trafficPolicy: PLAIN }, kind: "plaintext" },
    { name: "`tls: {}`, which is DISABLE", spec: { trafficPolicy: { tls: {} } }, kind: "plaintext" },
    { name: "`tls:` without a value, which counts as absent", spec: { trafficPolicy: { tls: null } }, kind: "auto" },
    { name: "no tls", spec: { trafficPolicy: {} }, kind: "auto" },
    { name: "SIMPLE", spec: { trafficPolicy: { tls: { mode: "SIMPLE" } } }, kind: "refused" },
    { name: "MUTUAL", spec: { trafficPolicy: { tls: { mode: "MUTUAL" } } }, kind: "refused" },
    {
      name: "a port's tls, which overrides the policy's",
      spec: { trafficPolicy: { ...MUTUAL, ...ports({ mode: "DISABLE" }) } },
      kind: "plaintext",
    },
    {
      name: "a port without tls, which replaces the policy's",
      spec: { trafficPolicy: { ...MUTUAL, ...ports() } },
      kind: "auto",
    },
    {
      name: "the policy's tls for other ports",
      spec: { trafficPolicy: { ...MUTUAL, ...ports({ mode: "DISABLE" }) } },
      port: 9090,
      kind: "mutual",
    },
    {
      name: "a subset's tls, which overrides the policy's",
      spec: { trafficPolicy: MUTUAL, ...subset(PLAIN) },
      subset: "v1",
      kind: "plaintext",
    },
    {
      name: "the policy's tls if no subset is used",
      spec: { trafficPolicy: MUTUAL, ...subset(PLAIN) },
      kind: "mutual",
    },
    {
      name: "the policy's tls for a subset without one",
      spec: { trafficPolicy: MUTUAL, ...subset({}) },
      subset: "v1",
      kind: "mutual",
    },
    {
      name: "the policy's port-level tls for a subset without one",
      spec: { trafficPolicy: { ...MUTUAL, ...ports({ mode: "DISABLE" }) }, ...subset({}) },
      subset: "v1",
      kind: "plaintext",
    },
    {
      name: "a subset's port-level tls, which overrides all others",
      spec: { trafficPolicy: MUTUAL, ...subset({ ...MUTUAL, ...ports({ mode: "DISABLE" }) }) },
      subset: "v1",
      kind: "plaintext",
    },
    {
      name: "a subset's port without tls, which replaces all others",
      spec: { trafficPolicy: MUTUAL, ...subset({ ...MUTUAL, ...ports() }) },
      subset: "v1",
      kind: "auto",
    },
  ])("$name", ({ spec, kind, ...input }) => {
    expect(decide({ rules: [rule("r", "ns2", spec)], ...input }).kind).toBe(kind);
  });

  it("refuses an unsupported mode by name, instead of sending plaintext", () => {
    const verdict = decide({ rules: [rule("r", "ns2", { trafficPolicy: { tls: { mode: "SIMPLE" } } })] });
    expect(verdict).toMatchObject({ reason: expect.stringMatching(/DestinationRule\/r\.ns2 .* SIMPLE/) });
  });

  it("honours sni and subjectAltNames", () => {
    const san = "spiffe://cluster.local/ns/other/sa/account";
    const tls = { mode: "ISTIO_MUTUAL", sni: "my.sni", subjectAltNames: [san] };
    expect(decide({ rules: [rule("r", "ns2", { trafficPolicy: { tls } })] })).toMatchObject({
      sni: "my.sni",
      identities: [san],
    });
  });

  it("uses the first of two subsets with one name", () => {
    const rules = [rule("a", "ns2", subset(PLAIN)), rule("b", "ns2", subset(MUTUAL))];
    expect(decide({ rules, subset: "v1" })).toEqual({ kind: "plaintext", rule: "DestinationRule/a.ns2" });
  });
});

describe("auto mTLS", () => {
  it.each([
    { name: "depends on each endpoint", input: {}, expected: { kind: "auto", rule: "auto mTLS" } },
    {
      name: "is off if the server accepts only plaintext",
      input: { serverMode: "DISABLE" as const },
      expected: { kind: "plaintext", rule: "auto mTLS, off by PeerAuthentication/default.ns2" },
    },
    {
      name: "can be turned off for the mesh",
      input: { autoMtls: false },
      expected: { kind: "plaintext", rule: "auto mTLS is off" },
    },
  ])("$name", ({ input, expected }) => {
    expect(decide({ rules: [], ...input })).toEqual(expected);
  });

  it("does not apply if a rule does", () => {
    expect(decide({ rules: [rule("r", "ns2", { trafficPolicy: MUTUAL })], serverMode: "DISABLE" }).kind).toBe("mutual");
  });
});
