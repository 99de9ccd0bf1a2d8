import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { settings as defaults } from "../../discovery/discovery-fixture.ts";
import { servingNames } from "../identity/serving-names.ts";
import { readMeshConfigFile } from "./mesh-config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-mesh-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function read(text: string) {
  const file = join(folder, "mesh");
  writeFileSync(file, text);
  return readMeshConfigFile(file, defaults);
}

describe("the mesh configuration", () => {
  it("overrides the defaults by what it contains", async () => {
    const text = `
trustDomain: company.example
trustDomainAliases: [cluster.local]
rootNamespace: mesh-system
outboundTrafficPolicy: { mode: REGISTRY_ONLY }
enableAutoMtls: false
h2UpgradePolicy: UPGRADE
pathNormalization: { normalization: MERGE_SLASHES }
accessLogFile: /dev/stdout
defaultConfig: { discoveryAddress: "istiod-canary.mesh-system.svc:15012", gatewayTopology: { numTrustedProxies: 2 } }`;
    expect(await read(text)).toEqual({
      settings: {
        ...defaults,
        trustDomain: "company.example",
        trustDomainAliases: ["cluster.local"],
        rootNamespace: "mesh-system",
        outboundTrafficPolicy: "REGISTRY_ONLY",
        autoMtls: false,
        h2UpgradePolicy: "UPGRADE",
        pathNormalization: "MERGE_SLASHES",
        numTrustedProxies: 2,
      },
      discoveryHost: "istiod-canary.mesh-system.svc",
      unsupported: [],
    });
  });

  it("names the fields that nothing reads", async () => {
    const text =
      "meshMTLS: { minProtocolVersion: TLSV1_3 }\noutboundTrafficPolicy: { mode: ALLOW_ANY, egressProxy: {} }";
    expect((await read(text)).unsupported).toEqual(["meshMTLS", "outboundTrafficPolicy.egressProxy"]);
    const nested = "pathNormalization: { normalization: NONE, other: 1 }";
    expect((await read(nested)).unsupported).toEqual(["pathNormalization.other"]);
  });

  it.each([
    { given: "DEFAULT", expected: "BASE" },
    { given: "NONE", expected: "NONE" },
    { given: "BASE", expected: "BASE" },
    { given: "DECODE_AND_MERGE_SLASHES", expected: "DECODE_AND_MERGE_SLASHES" },
  ])("normalises paths by $expected where it says $given", async ({ given, expected }) => {
    const { settings } = await read(`pathNormalization: { normalization: ${given} }`);
    expect(settings.pathNormalization).toBe(expected);
  });

  it.each(["", "accessLogFile: ''", "trustDomain: null"])("without settings changes nothing: %j", async (text) => {
    expect(await read(text)).toEqual({ settings: defaults, discoveryHost: undefined, unsupported: [] });
  });

  it.each([
    { name: "a trust domain in capitals", text: "trustDomain: Company", expected: "trustDomain: " },
    { name: "a number for a trust domain", text: "trustDomain: 1", expected: "must be a text" },
    {
      name: "an unknown policy",
      text: "outboundTrafficPolicy: { mode: NONE }",
      expected: "must be ALLOW_ANY or REGISTRY_ONLY",
    },
    {
      name: "an unknown upgrade policy",
      text: "h2UpgradePolicy: DEFAULT",
      expected: "h2UpgradePolicy: it must be DO_NOT_UPGRADE or UPGRADE",
    },
    {
      name: "an unknown normalization",
      text: "pathNormalization: { normalization: base }",
      expected:
        'pathNormalization: normalization: it must be DEFAULT, NONE, BASE, MERGE_SLASHES or DECODE_AND_MERGE_SLASHES, got "base"',
    },
    {
      name: "a normalization without its field",
      text: "pathNormalization: NONE",
      expected: "pathNormalization: it must be a mapping with normalization",
    },
    {
      name: "a policy without its field",
      text: "outboundTrafficPolicy: REGISTRY_ONLY",
      expected: "outboundTrafficPolicy: it must be a mapping with mode",
    },
    {
      name: "a negative number of proxies",
      text: "defaultConfig: { gatewayTopology: { numTrustedProxies: -1 } }",
      expected: "gatewayTopology: numTrustedProxies: it must be a number of proxies, 0 or more, got -1",
    },
    {
      name: "text for a number of proxies",
      text: "defaultConfig: { gatewayTopology: { numTrustedProxies: '1' } }",
      expected: 'must be a number of proxies, 0 or more, got "1"',
    },
    {
      name: "foreign authorities of an alias",
      text: "trustDomainAliases: [b]\ncaCertificates: [{ spiffeBundleUrl: https://a.example/, trustDomains: [b] }]",
      expected: "caCertificates[0].trustDomains[0]: b is a trust domain of this mesh",
    },
    { name: "text for aliases", text: "trustDomainAliases: a", expected: "must be a list" },
    { name: "text for a switch", text: "enableAutoMtls: 'no'", expected: "must be true or false" },
    {
      name: "an address without a port",
      text: "defaultConfig: { discoveryAddress: istiod }",
      expected: "must be HOST:PORT",
    },
    { name: "a list", text: "- a", expected: "is not a mapping" },
    { name: "two documents", text: "a: 1\n---\nb: 2", expected: "more than one YAML document" },
    { name: "no YAML", text: "a: [", expected: "the mesh configuration" },
  ])("with $name is an error that names file and field", async ({ text, expected }) => {
    await expect(read(text)).rejects.toThrow(expected);
    await expect(read(text)).rejects.toThrow(join(folder, "mesh"));
  });

  it("that is missing is an error", async () => {
    await expect(readMeshConfigFile(join(folder, "none"), defaults)).rejects.toThrow("cannot be read");
  });
});

describe("the names of the control plane's certificate", () => {
  it.each([
    {
      name: "are Istio's",
      host: undefined,
      names: ["istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local", "istiod.istio-system", "localhost"],
    },
    {
      name: "include those of a revision",
      host: "istiod-canary.istio-system.svc",
      names: [
        ...["istiod.istio-system.svc", "istiod.istio-system.svc.cluster.local", "istiod.istio-system"],
        ...[
          "istiod-canary.istio-system.svc",
          "istiod-canary.istio-system.svc.cluster.local",
          "istiod-canary.istio-system",
        ],
        "localhost",
      ],
    },
  ])("$name", ({ host, names }) => {
    expect(servingNames("istio-system", host)).toEqual(names);
  });
});
