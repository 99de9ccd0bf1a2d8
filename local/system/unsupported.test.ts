import { expect, it } from "vitest";
import { parseManifests } from "../read-manifests.ts";
import { findUnsupported } from "./unsupported.ts";

const POD = (container: string) => `
kind: Pod
metadata: { name: one, namespace: here }
spec: { containers: [{ name: app, image: x, ${container} }] }`;
const SERVICE = (spec: string) => `
kind: Service
metadata: { name: one, namespace: here }
spec: { selector: { app: one }, ${spec} }`;

it.each([
  {
    name: "a liveness probe",
    text: POD("livenessProbe: { tcpSocket: { port: 1 } }"),
    expected: "livenessProbe is not run",
  },
  {
    name: "a hook that is a request",
    text: POD("lifecycle: { preStop: { httpGet: { port: 1 } } }"),
    expected: "the preStop hook's httpGet is not run",
  },
  {
    name: "a readiness probe by gRPC",
    text: POD("readinessProbe: { grpc: { port: 1 } }"),
    expected: "grpc is not run",
  },
  { name: "a UDP port", text: SERVICE("ports: [{ port: 53, protocol: UDP }]"), expected: "port 53/UDP is not served" },
  { name: "a load balancer", text: SERVICE("type: LoadBalancer"), expected: "use --publish" },
  { name: "session affinity", text: SERVICE("sessionAffinity: ClientIP"), expected: "ClientIP has no effect" },
  {
    name: "an address outside the range",
    text: SERVICE("clusterIP: 172.20.0.1"),
    expected: "a clusterIP other than 172.20.0.1",
  },
  {
    name: "a NetworkPolicy",
    text: "kind: NetworkPolicy\nmetadata: { name: one, namespace: here }",
    expected: "NetworkPolicy/one.here: has no effect on one machine: pods may reach each other",
  },
])("$name gets a warning, with its object", ({ text, expected }) => {
  const found = findUnsupported(parseManifests(text, "test.yaml"));
  expect(found).toEqual([expect.stringContaining(expected)]);
  expect(found[0]).toMatch(/^\w+\/one\.here: /);
});

it("reports a Deployment's containers and init containers", () => {
  const text = `
kind: Deployment
metadata: { name: one, namespace: here }
spec: { template: { spec: { initContainers: [{ name: first, image: x, startupProbe: { httpGet: {} } }], containers: [] } } }`;
  expect(findUnsupported(parseManifests(text, "test.yaml"))).toEqual([
    "Deployment/one.here: container first: startupProbe is not run",
  ]);
});

it.each([
  { name: "a plain pod", text: POD("readinessProbe: { httpGet: { path: /, port: 1 } }") },
  { name: "a plain Service", text: SERVICE("clusterIP: 10.96.3.4, ports: [{ port: 80 }]") },
  { name: "a headless Service", text: SERVICE("clusterIP: None") },
])("gives no warning for $name", ({ text }) => {
  expect(findUnsupported(parseManifests(text, "test.yaml"))).toEqual([]);
});
