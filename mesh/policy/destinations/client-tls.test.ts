import { describe, expect, it } from "vitest";
import { decide, MUTUAL, PLAIN, rule } from "./client-tls-fixture.ts";

describe("what a DestinationRule asks for", () => {
  const ports = (tls?: object) => ({ portLevelSettings: [{ port: { number: 8080 }, ...(tls && { tls }) }] });
  const subset = (trafficPolicy?: object) => ({
    subsets: [{ name: "v1", labels: { version: "v1" }, ...(trafficPolicy && { trafficPolicy }) }],
  });

  it.each([
    { name: "ISTIO_MUTUAL", spec: { trafficPolicy: MUTUAL }, kind: "mutual" },
    { name: "DISABLE", spec: { trafficPolicy: PLAIN }, kind: "plaintext" },
    { name: "`tls: {}`, which is DISABLE", spec: { trafficPolicy: { tls: {} } }, kind: "plaintext" },
    { name: "`tls:` with nothing, which is not there", spec: { trafficPolicy: { tls: null } }, kind: "auto" },
    { name: "no tls", spec: { trafficPolicy: {} }, kind: "auto" },
    { name: "SIMPLE", spec: { trafficPolicy: { tls: { mode: "SIMPLE" } } }, kind: "refused" },
    { name: "MUTUAL", spec: { trafficPolicy: { tls: { mode: "MUTUAL" } } }, kind: "refused" },
    {
      name: "a port's tls instead of the policy's",
      spec: { trafficPolicy: { ...MUTUAL, ...ports({ mode: "DISABLE" }) } },
      kind: "plaintext",
    },
    {
      name: "a port without tls: none, although the policy has one",
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
      name: "a subset's tls instead of the policy's",
      spec: { trafficPolicy: MUTUAL, ...subset(PLAIN) },
      subset: "v1",
      kind: "plaintext",
    },
    { name: "the policy's tls without the subset", spec: { trafficPolicy: MUTUAL, ...subset(PLAIN) }, kind: "mutual" },
    {
      name: "the policy's tls for a subset that has none",
      spec: { trafficPolicy: MUTUAL, ...subset({}) },
      subset: "v1",
      kind: "mutual",
    },
    {
      name: "the policy's port's tls for a subset that has none",
      spec: { trafficPolicy: { ...MUTUAL, ...ports({ mode: "DISABLE" }) }, ...subset({}) },
      subset: "v1",
      kind: "plaintext",
    },
    {
      name: "a subset's port's tls before all",
      spec: { trafficPolicy: MUTUAL, ...subset({ ...MUTUAL, ...ports({ mode: "DISABLE" }) }) },
      subset: "v1",
      kind: "plaintext",
    },
    {
      name: "a subset's port without tls: none",
      spec: { trafficPolicy: MUTUAL, ...subset({ ...MUTUAL, ...ports() }) },
      subset: "v1",
      kind: "auto",
    },
  ])("$name", ({ spec, kind, ...asked }) => {
    expect(decide({ rules: [rule("r", "ns2", spec)], ...asked }).kind).toBe(kind);
  });

  it("says which rule and mode cannot be done, so that nothing is sent in plaintext instead", () => {
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

  it("keeps the first of two subsets of one name", () => {
    const rules = [rule("a", "ns2", subset(PLAIN)), rule("b", "ns2", subset(MUTUAL))];
    expect(decide({ rules, subset: "v1" })).toEqual({ kind: "plaintext", rule: "DestinationRule/a.ns2" });
  });
});

describe("auto mTLS", () => {
  it.each([
    { name: "leaves it to each endpoint", asked: {}, expected: { kind: "auto", rule: "auto mTLS" } },
    {
      name: "is off where the server's side takes plaintext alone",
      asked: { serverMode: "DISABLE" as const },
      expected: { kind: "plaintext", rule: "auto mTLS, off by PeerAuthentication/default.ns2" },
    },
    {
      name: "can be switched off for the mesh",
      asked: { autoMtls: false },
      expected: { kind: "plaintext", rule: "auto mTLS is off" },
    },
  ])("$name", ({ asked, expected }) => {
    expect(decide({ rules: [], ...asked })).toEqual(expected);
  });

  it("does not speak where a rule does", () => {
    expect(decide({ rules: [rule("r", "ns2", { trafficPolicy: MUTUAL })], serverMode: "DISABLE" }).kind).toBe("mutual");
  });
});
