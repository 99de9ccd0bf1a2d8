import { describe, expect, it } from "vitest";
import { DEFAULT_INJECTION_SETTINGS } from "../injection-settings.ts";
import { applyMeshConfig } from "./mesh-config.ts";

const apply = (text: string) => applyMeshConfig(text, DEFAULT_INJECTION_SETTINGS);

describe("the mesh configuration", () => {
  it("sets what injection needs of it", () => {
    const { settings, unsupported } = apply(`
trustDomain: example.org
accessLogFile: /dev/stdout
enablePrometheusMerge: false
rootNamespace: istio-system
defaultConfig:
  discoveryAddress: istiod-canary.istio-system.svc:15012
  holdApplicationUntilProxyStarts: true
  terminationDrainDuration: 20s
  proxyMetadata: { ENTENTE_LOG_LEVEL: debug, ISTIO_META_DNS_CAPTURE: "true" }
  concurrency: 2
`);
    expect(settings).toMatchObject({
      trustDomain: "example.org",
      accessLogFile: "/dev/stdout",
      mergesMetrics: false,
      proxy: {
        controlPlaneAddress: "istiod-canary.istio-system.svc:15012",
        holdApplication: true,
        drainS: 20,
        environment: { ENTENTE_LOG_LEVEL: "debug" },
      },
    });
    expect(unsupported).toEqual(["defaultConfig.concurrency", "defaultConfig.proxyMetadata.ISTIO_META_DNS_CAPTURE"]);
  });

  it("names what of the gateway's surroundings nothing reads: the control plane reads the number of proxies", () => {
    const topology = "{ numTrustedProxies: 1, forwardClientCertDetails: SANITIZE }";
    const { unsupported } = apply(`defaultConfig: { gatewayTopology: ${topology} }`);
    expect(unsupported).toEqual(["defaultConfig.gatewayTopology.forwardClientCertDetails"]);
  });

  it.each(["", "# nothing\n", "{}", "rootNamespace: istio-system"])(
    "changes nothing if it sets nothing: %j",
    (text) => {
      expect(apply(text)).toEqual({ settings: DEFAULT_INJECTION_SETTINGS, unsupported: [] });
    },
  );

  it.each([
    { text: "{", expected: "it is not YAML" },
    { text: "- a", expected: "it must be a mapping" },
    { text: "enablePrometheusMerge: 1", expected: "enablePrometheusMerge must be true or false" },
    { text: "accessLogFile: stdout", expected: "accessLogFile must be a path" },
    {
      text: "defaultConfig: {terminationDrainDuration: 5m}",
      expected: "defaultConfig: terminationDrainDuration must be",
    },
  ])("is refused as a whole if it is invalid: $text", ({ text, expected }) => {
    expect(() => apply(text)).toThrow(`invalid_mesh_config: the mesh configuration: ${expected}`);
  });
});
