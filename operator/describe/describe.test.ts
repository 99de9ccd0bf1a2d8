import { describe, expect, it } from "vitest";
import { testResource, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { workload } from "../configuration/manifests-fixture.ts";
import { configurationFromFiles } from "../configuration/read-files.ts";
import { PLAIN } from "../text/palette.ts";
import { findPod, findService } from "../workloads/find-by-name.ts";
import { formatPodDescription, formatServiceDescription } from "./format-description.ts";
import { describePod, relatedNames, versionOfImage } from "./pod-description.ts";
import { describeService } from "./service-description.ts";

const MESHED = JSON.stringify({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name: "ns1", labels: { "istio-injection": "enabled" } },
});
const HOST = "web.ns1.svc.cluster.local";
const peer = (name: string, spec: object, namespace = "ns1") =>
  testResource("PeerAuthentication", name, spec, { namespace });
const forWeb = { selector: { matchLabels: { app: "web" } } };

function configurationOf(...resources: readonly (string | object)[]) {
  const texts = resources.map((resource) => (typeof resource === "string" ? resource : JSON.stringify(resource)));
  return configurationFromFiles([{ file: "a.yaml", text: [MESHED, ...texts].join("\n---\n") }]);
}

function webPod(...resources: readonly (string | object)[]) {
  const configuration = configurationOf(workload("Deployment", "web"), ...resources);
  return describePod(configuration, findPod(configuration.set, "web", undefined));
}

function webService(...resources: readonly (string | object)[]) {
  const configuration = configurationOf(workload("Deployment", "web"), testService({ name: "web" }), ...resources);
  return describeService(configuration, findService(configuration, "web", undefined));
}

describe("a pod's description", () => {
  it("lists the rules of a port in their order of precedence, and the one that decides", () => {
    const pod = webPod(
      peer("port", { ...forWeb, portLevelMtls: { 8080: { mode: "DISABLE" } } }),
      peer("default", { mtls: { mode: "STRICT" } }),
      peer("default", { mtls: { mode: "PERMISSIVE" } }, "istio-system"),
      testResource("MeshPolicy", "default", { peers: [{ mtls: {} }] }),
    );
    expect(pod.ports.map(({ port }) => port)).toEqual([8080]);
    expect(pod.ports[0]?.mode).toEqual({
      mode: "DISABLE",
      rule: "PeerAuthentication/port.ns1",
      candidates: [
        { level: "port", mode: "DISABLE", rule: "PeerAuthentication/port.ns1" },
        { level: "workload", mode: "UNSET", rule: "PeerAuthentication/port.ns1" },
        { level: "namespace", mode: "STRICT", rule: "PeerAuthentication/default.ns1" },
        { level: "mesh", mode: "PERMISSIVE", rule: "PeerAuthentication/default.istio-system" },
        { level: "legacy", mode: "STRICT", rule: "MeshPolicy/default" },
        { level: "default", mode: "PERMISSIVE", rule: "default" },
      ],
    });
    expect(pod.defaultMode).toMatchObject({ mode: "STRICT", rule: "PeerAuthentication/default.ns1" });
    expect(relatedNames(pod)).toContain("MeshPolicy/default");
    expect(formatPodDescription(pod, [], PLAIN)).toContain(
      "STRICT by PeerAuthentication/default.ns1 (namespace); PeerAuthentication/port.ns1 (workload) leaves it open; " +
        "PeerAuthentication/default.istio-system (mesh, PERMISSIVE) is overridden",
    );
  });

  it.each([
    {
      ports: [{ name: "http-web", port: 80, targetPort: 8080 }],
      protocol: "http",
      reason: 'the name "http-web" of port 80',
    },
    {
      ports: [{ name: "web", port: 80, targetPort: 8080 }],
      protocol: "undeclared",
      reason: 'the name "web" of port 80',
    },
    {
      ports: [{ name: "http", appProtocol: "grpc", port: 80, targetPort: 8080 }],
      protocol: "grpc",
      reason: 'appProtocol "grpc" of port 80',
    },
  ])("gives the protocol $protocol and its reason", ({ ports, protocol, reason }) => {
    const [port] = webPod(testService({ name: "web", ports })).ports;
    expect(port?.protocol).toEqual({ protocol, reason: `${reason} of Service/web.ns1` });
  });

  it("shows the sidecar and its version", () => {
    const { proxy, identities, state } = webPod();
    expect(proxy).toMatchObject({ kind: "sidecar", version: "0.1.0" });
    expect(identities).toEqual(["spiffe://cluster.local/ns/ns1/sa/default"]);
    expect(state).toEqual({ kind: "expected" });
  });

  it("says why there is no sidecar", () => {
    const configuration = configurationOf(
      workload("Deployment", "old", { labels: { "sidecar.istio.io/inject": "false" } }),
    );
    const { proxy } = describePod(configuration, findPod(configuration.set, "old", undefined));
    expect(proxy).toEqual({ kind: "none", reason: "the pod has sidecar.istio.io/inject: false" });
  });

  it("has the services that lead to it, with the rows of this pod", () => {
    const pod = webPod(testService({ name: "web" }), testService({ name: "other" }));
    expect(pod.services.map(({ service }) => service)).toEqual(["Service/web.ns1"]);
    expect(pod.services[0]?.tls).toMatchObject([{ status: "AUTO", servers: ["web.ns1"] }]);
  });
});

describe("a service's description", () => {
  const route = (name: string, spec: object, createdAt?: string) =>
    testResource(
      "VirtualService",
      name,
      { hosts: [HOST], http: [{ route: [{ destination: { host: HOST } }] }], ...spec },
      { namespace: "ns1", creationTimestamp: createdAt },
    );

  it("shows which DestinationRules match, and which one decides", () => {
    const rule = (name: string, host: string) =>
      testResource(
        "DestinationRule",
        name,
        { host, trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } },
        { namespace: "ns1" },
      );
    const { destinationRules } = webService(rule("all", "*.local"), rule("exact", HOST), rule("other", "x.ns1.svc"));
    expect(destinationRules.map(({ rule: name, isUsed }) => [name, isUsed])).toEqual([
      ["DestinationRule/exact.ns1", true],
      ["DestinationRule/all.ns1", false],
    ]);
  });

  it("shows the routes that lead to it, by which gateways, and which VirtualService sidecars use", () => {
    const { routes } = webService(
      route("newer", {}, "2026-01-02T00:00:00Z"),
      route("older", {}, "2026-01-01T00:00:00Z"),
      route("edge", { hosts: ["a.example"], gateways: ["gw"] }),
      route("other", { hosts: ["b.example"], http: [] }),
    );
    expect(routes).toEqual([
      { rule: "VirtualService/edge.ns1", hosts: ["a.example"], gateways: ["Gateway/gw.ns1"], routes: [0] },
      { rule: "VirtualService/older.ns1", hosts: [HOST], gateways: ["mesh"], routes: [0], isUsedBySidecars: true },
      { rule: "VirtualService/newer.ns1", hosts: [HOST], gateways: ["mesh"], routes: [0], isUsedBySidecars: false },
    ]);
  });

  it("counts its endpoints and those with a sidecar", () => {
    const old = workload("Deployment", "old", { labels: { app: "web", "sidecar.istio.io/inject": "false" } });
    const description = webService(old);
    expect(description.ports[0]?.endpoints).toMatchObject([{ hasSidecar: true }, { hasSidecar: false }]);
    expect(formatServiceDescription(description, [], PLAIN)).toContain("2, 1 with a sidecar");
  });
});

it("a description shows control characters of a manifest instead of sending them to the terminal", () => {
  const ESCAPE = String.fromCharCode(27);
  const spec = { host: HOST, subsets: [{ name: `v${ESCAPE}[31m`, labels: {} }] };
  const pod = webPod(testService({ name: "web" }), testResource("DestinationRule", "web", spec, { namespace: "ns1" }));
  const proxy = { kind: "sidecar", image: `entente:${ESCAPE}[2J`, version: ESCAPE, isNative: false } as const;
  const text = formatPodDescription({ ...pod, proxy }, [], PLAIN);
  expect(text).toContain("\\x1b[31m");
  expect(text).not.toContain(ESCAPE);
});

it.each([
  ["entente:0.1.0", "0.1.0"],
  ["registry:5000/a/entente:1.2", "1.2"],
  ["registry:5000/entente", "latest"],
  ["entente@sha256:abc", "sha256:abc"],
])("the version of the image %s is %s", (image, version) => {
  expect(versionOfImage(image)).toBe(version);
});
