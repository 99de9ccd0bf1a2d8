import { describe, expect, it } from "vitest";
import { parseDuration } from "../option-values.ts";
import { parseControlPlaneOptions } from "./control-plane-options.ts";

const NEEDED = ["--config", "a", "--jwks", "keys.json", "--token-issuer", "local"];

describe("the control plane's command line", () => {
  it("has Istio's defaults", () => {
    const options = parseControlPlaneOptions([...NEEDED, "--config", "b"]);
    expect(options).toMatchObject({ configFolders: ["a", "b"], port: 15012, defaultLifetimeMs: 86_400_000 });
    expect(options.settings).toMatchObject({ trustDomain: "cluster.local", outboundTrafficPolicy: "ALLOW_ANY" });
  });

  it.each([
    { args: [], lifetimes: { defaultLifetimeMs: 86_400_000, maxLifetimeMs: 86_400_000 } },
    {
      args: ["--workload-cert-ttl", "1h"],
      lifetimes: { defaultLifetimeMs: 3_600_000, maxLifetimeMs: 86_400_000 },
    },
    {
      args: ["--workload-cert-ttl", "48h"],
      lifetimes: { defaultLifetimeMs: 2 * 86_400_000, maxLifetimeMs: 2 * 86_400_000 },
    },
    {
      args: ["--max-workload-cert-ttl", "90d"],
      lifetimes: { defaultLifetimeMs: 86_400_000, maxLifetimeMs: 90 * 86_400_000 },
    },
    { args: ["--max-workload-cert-ttl", "1h"], lifetimes: { defaultLifetimeMs: 3_600_000, maxLifetimeMs: 3_600_000 } },
    {
      args: ["--workload-cert-ttl", "1h", "--max-workload-cert-ttl", "1h"],
      lifetimes: { defaultLifetimeMs: 3_600_000, maxLifetimeMs: 3_600_000 },
    },
  ])("grants no certificate a longer life than the longest one: $args", ({ args, lifetimes }) => {
    expect(parseControlPlaneOptions([...NEEDED, ...args])).toMatchObject(lifetimes);
  });

  it("takes a cluster instead of files for identity, and as the source unless folders are given", () => {
    expect(parseControlPlaneOptions(["--kubernetes"]).configFolders).toEqual([]);
    expect(parseControlPlaneOptions(["--kubernetes", "--config", "a"])).toMatchObject({
      configFolders: ["a"],
      identity: { kind: "kubernetes", kubeconfig: undefined },
      meshConfigFile: "/etc/istio/config/mesh",
    });
    expect(parseControlPlaneOptions(NEEDED)).toMatchObject({
      identity: { kind: "files", caDirectory: "/etc/cacerts", jwksFile: "keys.json", tokenIssuer: "local" },
      meshConfigFile: undefined,
    });
  });

  it.each([
    {
      name: "a token issuer in a cluster",
      args: ["--kubernetes", "--config", "a", "--token-issuer", "x"],
      message: "--token-issuer has no effect",
    },
    {
      name: "a kubeconfig without a cluster",
      args: [...NEEDED, "--kubeconfig", "x"],
      message: "--kubeconfig needs --kubernetes",
    },
    { name: "no folder", args: NEEDED.slice(2), message: "--config is missing" },
    { name: "no keys", args: ["--config", "a", "--token-issuer", "x"], message: "--jwks is missing" },
    { name: "an invalid port", args: [...NEEDED, "--port", "99999"], message: "--port must be a port" },
    { name: "a time without unit", args: [...NEEDED, "--workload-cert-ttl", "24"], message: "--workload-cert-ttl" },
    {
      name: "a lifetime above the longest one",
      args: [...NEEDED, "--workload-cert-ttl", "2h", "--max-workload-cert-ttl", "1h"],
      message: "--workload-cert-ttl 2h is longer than --max-workload-cert-ttl 1h",
    },
    { name: "an unknown policy", args: [...NEEDED, "--outbound-traffic-policy", "ANY"], message: "REGISTRY_ONLY" },
    { name: "an invalid trust domain", args: [...NEEDED, "--trust-domain", "a/b"], message: "a/b" },
    { name: "an unknown option", args: [...NEEDED, "--nonsense"], message: "--nonsense" },
  ])("$name is an error that names the option", ({ args, message }) => {
    expect(() => parseControlPlaneOptions(args)).toThrow(message);
  });
});

describe("durations", () => {
  it.each([
    ["20s", 20_000],
    ["1.5h", 5_400_000],
    ["250ms", 250],
    ["90d", 7_776_000_000],
  ])("%s", (text, expected) => {
    expect(parseDuration(text, "--x")).toBe(expected);
  });

  it.each(["0s", "-1s", "h", "1 h", "1w", ""])('"%s" is refused', (text) => {
    expect(() => parseDuration(text, "--x")).toThrow("--x");
  });
});
