/**
 * The decisions of the hello/world demo: which workload connects to which and how, under the mesh-wide policy and its
 * exceptions.
 */
import { describe, expect, it } from "vitest";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../resources/resource-set-fixture.ts";
import { decideServerMode } from "./authentication/server-mode.ts";
import { decideDestination } from "./destinations/destination.ts";
import { decideGateway } from "./routing/gateway.ts";

const rule = (name: string, host: string, mode: string, more: object = {}) =>
  testResource("DestinationRule", name, { host, trafficPolicy: { tls: { mode } }, ...more });

const MANIFESTS = [
  testResource("MeshPolicy", "default", { peers: [{ mtls: {} }] }),
  rule("enable-mtls", "*.local", "ISTIO_MUTUAL"),
  rule("legacy", "end.legacy.svc.cluster.local", "DISABLE"),
  rule("hello", "hello.ns1.svc.cluster.local", "ISTIO_MUTUAL", {
    subsets: [{ name: "v1-tls", labels: { version: "v1-tls" } }],
  }),
  testService({ name: "hello", namespace: "ns1", clusterIP: "10.96.0.1" }),
  testService({ name: "world", namespace: "ns2", clusterIP: "10.96.0.2" }),
  testService({ name: "end", namespace: "legacy", clusterIP: "10.96.0.3" }),
  testPod({ name: "hello", namespace: "ns1", ip: "10.0.0.1", labels: { app: "hello", version: "v1-tls" } }),
  testPod({ name: "world", namespace: "ns2", ip: "10.0.0.2" }),
  testPod({ name: "end", namespace: "legacy", ip: "10.0.0.3", meshed: false }),
  testPod({ name: "ingress", namespace: "istio-system", ip: "10.0.0.4", labels: { istio: "ingressgateway" } }),
  testResource("Gateway", "helloworld-gateway", {
    selector: { istio: "ingressgateway" },
    servers: [{ port: { number: 80, name: "http", protocol: "HTTP" }, hosts: ["*"] }],
  }),
  testResource("VirtualService", "helloworld-tls", {
    hosts: ["hello-tls.example.com"],
    gateways: ["helloworld-gateway"],
    http: [
      { route: [{ destination: { host: "hello.ns1.svc.cluster.local", subset: "v1-tls", port: { number: 8080 } } }] },
    ],
  }),
];
const SET = createTestSet(...MANIFESTS);
const decide = (namespace: string, target: Parameters<typeof decideDestination>[0]["target"]) =>
  decideDestination({ set: SET, settings: TEST_SETTINGS, client: { namespace, labels: {} }, target });

describe("hello, world, end", () => {
  it.each([
    { from: "ns1", to: "10.96.0.2", mutualTls: true, tlsRule: "DestinationRule/enable-mtls.default" },
    { from: "ns2", to: "10.96.0.3", mutualTls: false, tlsRule: "DestinationRule/legacy.default" },
    { from: "ns2", to: "10.0.0.2", mutualTls: true, tlsRule: "DestinationRule/enable-mtls.default" },
  ])("from $from to $to: mutual TLS $mutualTls by $tlsRule", ({ from, to, mutualTls, tlsRule }) => {
    const destination = decide(from, { kind: "address", ip: to, port: 8080 });
    expect(destination).toMatchObject({ kind: "mesh", tlsRule, endpoints: [{ mutualTls }] });
  });

  it("refuses clients without a certificate", () => {
    const pod = findTestPod(SET, "ns1/hello");
    expect(decideServerMode({ set: SET, settings: TEST_SETTINGS, pod, port: 8080 })).toEqual({
      mode: "STRICT",
      rule: "MeshPolicy/default",
    });
  });

  it("routes gateway requests to the subset, with mutual TLS", () => {
    const { listeners } = decideGateway({
      set: SET,
      settings: TEST_SETTINGS,
      pod: findTestPod(SET, "istio-system/ingress"),
    });
    const target = listeners[0]?.virtualHosts[0]?.routes[0]?.targets[0]?.target;
    if (target === undefined) throw new Error("no target");
    expect(decide("istio-system", target)).toMatchObject({
      sni: "outbound_.8080_.v1-tls_.hello.ns1.svc.cluster.local",
      tlsRule: "DestinationRule/hello.default",
      endpoints: [{ ip: "10.0.0.1", mutualTls: true }],
      identities: ["spiffe://cluster.local/ns/ns1/sa/default"],
    });
  });
});
