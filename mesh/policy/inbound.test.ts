import { describe, expect, it } from "vitest";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../resources/resource-set-fixture.ts";
import { decideInbound } from "./inbound.ts";

function decide(pod: string, ...resources: readonly string[]) {
  const set = createTestSet(pod, ...resources);
  return decideInbound({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/world") });
}

describe("decideInbound", () => {
  it("lists the ports of containers, services and port-level rules, each with its own mode", () => {
    const rule = testResource(
      "PeerAuthentication",
      "world",
      {
        selector: { matchLabels: { app: "world" } },
        mtls: { mode: "STRICT" },
        portLevelMtls: { 7000: { mode: "DISABLE" }, 9000: { mode: "PERMISSIVE" } },
      },
      { namespace: "ns1" },
    );
    const pod = testPod({ name: "world", ports: [{ containerPort: 8080 }, { containerPort: 9000 }] });
    const service = testService({ name: "world", ports: [{ name: "grpc-api", port: 80, targetPort: 8081 }] });
    const inbound = decide(pod, service, rule);
    expect(inbound.defaultMode.mode).toBe("STRICT");
    expect(
      inbound.ports.map(({ port, mode, protocol, service: info }) => [port, mode.mode, protocol, info?.name]),
    ).toEqual([
      [7000, "DISABLE", undefined, undefined],
      [8080, "STRICT", undefined, undefined],
      [8081, "STRICT", "grpc", "world"],
      [9000, "PERMISSIVE", undefined, undefined],
    ]);
  });

  it("excludes UDP, and includes ports of native sidecars but not of ordinary init containers", () => {
    const ports = (containerPort: number) => [{ containerPort }];
    const pod = testPod({
      name: "world",
      spec: {
        containers: [{ name: "app", ports: [{ containerPort: 53, protocol: "UDP" }] }],
        initContainers: [
          { name: "once", ports: ports(1000) },
          { name: "always", restartPolicy: "Always", ports: ports(2000) },
        ],
      },
    });
    expect(decide(pod).ports.map(({ port }) => port)).toEqual([2000]);
  });

  it.each([
    { name: "http", protocol: "http" },
    { name: "http-web", protocol: "http" },
    { name: "http2-web", protocol: "http2" },
    { name: "HTTP2", protocol: "http2" },
    { name: "grpc", protocol: "grpc" },
    { name: "grpc-orders", protocol: "grpc" },
    { name: "grpc-web", protocol: "grpc-web" },
    { name: "grpc-web-shop", protocol: "grpc-web" },
    { name: "grpcs", protocol: undefined },
    { name: "h2c", protocol: undefined },
    { name: "https-x", protocol: "tls" },
    { name: "tls", protocol: "tls" },
    { name: "tcp-x", protocol: "tcp" },
    { name: "mongo", protocol: "tcp" },
    { name: "redis-a", protocol: "tcp" },
    { name: "mysql", protocol: "tcp" },
    { name: "web", protocol: undefined },
    { name: "httpx", protocol: undefined },
    { name: undefined, protocol: undefined },
    { name: "tcp", appProtocol: "http", protocol: "http" },
    { name: "tcp", appProtocol: "http-x", protocol: "http" },
    { name: "http", appProtocol: "grpc", protocol: "grpc" },
    { name: "http", appProtocol: "gRPC-Web", protocol: "grpc-web" },
    { name: "http", appProtocol: "https", protocol: "tls" },
    { name: "http", appProtocol: "kubernetes.io/h2c", protocol: "http2" },
    { name: "tcp", appProtocol: "kubernetes.io/ws", protocol: "http" },
    { name: "http", appProtocol: "kubernetes.io/wss", protocol: "tls" },
    { name: "http", appProtocol: "kubernetes.io/quic", protocol: undefined },
    { name: "http", appProtocol: "", protocol: undefined },
    { name: "http", appProtocol: "example.com/own", protocol: undefined },
  ])("parses a port named $name with appProtocol $appProtocol as $protocol", ({ protocol, ...port }) => {
    const service = testService({ name: "world", ports: [{ port: 8080, ...port }] });
    expect(decide(testPod({ name: "world" }), service).ports[0]?.protocol).toBe(protocol);
  });

  it("names the workload after its Deployment, without the template's hash", () => {
    const pod = testPod({
      name: "world",
      labels: { app: "world", "pod-template-hash": "5d4f8c" },
      metadata: {
        ownerReferences: [{ kind: "ReplicaSet", name: "world-tls-5d4f8c", apiVersion: "apps/v1", uid: "1" }],
      },
    });
    expect(decide(pod).workload).toEqual({
      namespace: "ns1",
      pod: "world",
      workload: "world-tls",
      serviceAccount: "default",
      app: "world",
      version: "",
      canonicalService: "world",
      canonicalRevision: "latest",
    });
  });
});
