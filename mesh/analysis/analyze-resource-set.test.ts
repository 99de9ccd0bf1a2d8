import { describe, expect, it } from "vitest";
import { formatConfigProblem } from "../resources/config-problem.ts";
import { createTestSet, testResource, testService } from "../resources/resource-set-fixture.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";

const WORLD = testService({ name: "world", namespace: "ns1" });
const GATEWAY = testResource("Gateway", "gw", { servers: [{ port: { number: 80, protocol: "HTTP" }, hosts: ["*"] }] });

function analyze(...resources: readonly string[]): readonly string[] {
  return analyzeResourceSet(createTestSet(WORLD, ...resources)).map(formatConfigProblem);
}

const peer = (name: string, spec: object, namespace = "ns1") =>
  testResource("PeerAuthentication", name, spec, { namespace });
const policy = (name: string, spec: object) => testResource("Policy", name, spec, { namespace: "ns1" });
const rule = (name: string, spec: object, namespace = "ns1") =>
  testResource("DestinationRule", name, spec, { namespace });
const routes = (spec: object) =>
  testResource("VirtualService", "vs", { hosts: ["a.example"], gateways: ["gw"], ...spec });
const to = (destination: object) => routes({ http: [{ route: [{ destination }] }] });

const strict = { mtls: { mode: "STRICT" } };
const forWorld = { selector: { matchLabels: { app: "world" } } };
const mutual = { trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } };
const HOST = "world.ns1.svc.cluster.local";

describe("analyzeResourceSet", () => {
  it.each([
    {
      name: "an overridden PeerAuthentication",
      resources: [peer("b", strict), peer("a", strict)],
      warning: /PeerAuthentication\/b\.ns1: is ignored: PeerAuthentication\/a\.ns1 has the same scope and is older/,
    },
    {
      name: "a PeerAuthentication that is overridden for one workload",
      resources: [peer("b", { ...forWorld, ...strict }), peer("a", { ...forWorld, ...strict })],
      warning: /PeerAuthentication\/b\.ns1: is ignored/,
    },
    {
      name: "a selector in the root namespace",
      resources: [peer("a", { ...forWorld, ...strict }, "istio-system")],
      warning: /spec\.selector: is ignored: .* root namespace istio-system/,
    },
    {
      name: "a MeshPolicy under a PeerAuthentication for the mesh",
      resources: [
        testResource("MeshPolicy", "default", { peers: [{ mtls: {} }] }),
        peer("default", strict, "istio-system"),
      ],
      warning: /MeshPolicy\/default: has no effect: PeerAuthentication\/default\.istio-system/,
    },
    {
      name: "a Policy under a PeerAuthentication of its namespace",
      resources: [policy("default", {}), peer("default", strict)],
      warning: /Policy\/default\.ns1: has no effect/,
    },
    {
      name: "a Policy for a missing service",
      resources: [policy("p", { targets: [{ name: "missing" }] })],
      warning: /spec\.targets\[0\]\.name: there is no service missing in namespace ns1/,
    },
    {
      name: "a Policy for a missing port",
      resources: [policy("p", { targets: [{ name: "world", ports: [{ name: "grpc" }] }] })],
      warning: /service world has no port grpc/,
    },
    {
      name: "two Policies for one service",
      resources: [policy("a", { targets: [{ name: "world" }] }), policy("b", { targets: [{ name: "world" }] })],
      warning: /Policy\/b\.ns1: spec\.targets: Policy\/a\.ns1 targets the same service/,
    },
    {
      name: "a DestinationRule for an unknown host",
      resources: [rule("r", { host: "wrld" })],
      warning:
        /DestinationRule\/r\.ns1: spec\.host: no service has the host wrld \(wrld\.ns1\.svc\.cluster\.local\).*: check its spelling/,
    },
    {
      name: "a DestinationRule with an incomplete host",
      resources: [rule("r", { host: "world.ns1" })],
      warning: /no service has the host world\.ns1, .*: use world\.ns1\.svc\.cluster\.local/,
    },
    {
      name: "two DestinationRules of one host",
      resources: [rule("a", { host: HOST, ...mutual }), rule("b", { host: "world", ...mutual })],
      warning: /DestinationRule\/b\.ns1: spec\.trafficPolicy: is not used: DestinationRule\/a\.ns1/,
    },
    {
      name: "an unsupported mode",
      resources: [
        rule("r", {
          host: HOST,
          subsets: [
            { name: "s", trafficPolicy: { portLevelSettings: [{ port: { number: 1 }, tls: { mode: "SIMPLE" } }] } },
          ],
        }),
      ],
      warning: /spec\.subsets\[0\]\.trafficPolicy\.portLevelSettings\[0\]\.tls\.mode: SIMPLE is not supported yet/,
    },
    {
      name: "an unsupported server",
      resources: [
        testResource("Gateway", "g", {
          servers: [{ port: { number: 443, protocol: "HTTPS" }, hosts: ["*"], tls: {} }],
        }),
      ],
      warning: /Gateway\/g\.default: spec\.servers\[0\]: protocol HTTPS is not supported/,
    },
    {
      name: "a VirtualService for a missing gateway",
      resources: [routes({ gateways: ["missing"] })],
      warning: /spec\.gateways\[0\]: there is no Gateway default\/missing/,
    },
    {
      name: "a VirtualService for sidecars with unknown hosts",
      resources: [routes({ gateways: [] })],
      warning: /spec\.hosts: no service has the host a\.example, so sidecars do not use this route/,
    },
    {
      name: "a route to a missing service",
      resources: [GATEWAY, to({ host: "world" })],
      warning: /spec\.http\[0\]\.route\[0\]\.destination: there is no service world\.default\.svc\.cluster\.local/,
    },
    {
      name: "a route to a missing port",
      resources: [GATEWAY, to({ host: HOST, port: { number: 1 } })],
      warning: /has no port 1/,
    },
    {
      name: "a route to a missing subset",
      resources: [GATEWAY, to({ host: HOST, subset: "v1" })],
      warning: /no DestinationRule for .* has the subset v1/,
    },
  ])("warns of $name", ({ resources, warning }) => {
    expect(analyze(...resources).join("\n")).toMatch(warning);
  });

  it.each([
    { name: "nothing", resources: [] },
    {
      name: "rules of different scopes",
      resources: [peer("a", strict), peer("b", { ...forWorld, ...strict }), peer("a", strict, "ns2")],
    },
    {
      name: "a legacy policy with an UNSET PeerAuthentication",
      resources: [policy("default", {}), peer("default", {})],
    },
    { name: "a wildcard that covers a service", resources: [rule("r", { host: "*.local", ...mutual }, "default")] },
    { name: "the cluster's DNS", resources: [rule("r", { host: "kube-dns.kube-system.svc.cluster.local" })] },
    {
      name: "a route to a known subset",
      resources: [GATEWAY, rule("r", { host: HOST, subsets: [{ name: "v1" }] }), to({ host: HOST, subset: "v1" })],
    },
  ])("gives no warning for $name", ({ resources }) => {
    expect(analyze(...resources)).toEqual([]);
  });

  it("names the file and line of the resource", () => {
    expect(analyze(rule("r", { host: "wrld" }))[0]).toMatch(/^test\.yaml:3: warning: /);
  });
});
