import { describe, expect, it } from "vitest";
import { FINDING_CODES } from "../../mesh/resources/finding-codes.ts";
import { testResource, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { workload } from "../configuration/manifests-fixture.ts";
import { configurationFromFiles } from "../configuration/read-files.ts";
import { PLAIN } from "../text/palette.ts";
import { collectFindings, concernsNamespace } from "./collect-findings.ts";
import type { Finding } from "./finding.ts";
import { formatFindings } from "./format-findings.ts";

const namespace = (labels: Readonly<Record<string, string>>) =>
  JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "ns1", labels } });
const MESHED = namespace({ "istio-injection": "enabled" });
const WEB = JSON.stringify(workload("Deployment", "web"));
const SERVICE = testService({ name: "web" });
const web = (metadata: object, spec: object = {}) =>
  JSON.stringify(workload("Deployment", "web", { ...metadata }, { ...spec }));
const rule = (host: string, mode: string) =>
  testResource("DestinationRule", "tls", { host, trafficPolicy: { tls: { mode } } }, { namespace: "ns1" });
const STRICT = testResource("PeerAuthentication", "default", { mtls: { mode: "STRICT" } }, { namespace: "ns1" });
const HOST = "web.ns1.svc.cluster.local";

function analyze(...texts: readonly string[]): readonly Finding[] {
  return collectFindings(configurationFromFiles([{ file: "a.yaml", text: texts.join("\n---\n") }]));
}

describe("what analyze reports of files", () => {
  it.each([
    {
      name: "a namespace whose pods get no sidecar",
      texts: [namespace({}), WEB],
      finding: { severity: "info", code: "IST0102", resource: "Namespace/ns1", line: 1 },
    },
    {
      name: "a namespace with both injection labels",
      texts: [namespace({ "istio-injection": "enabled", "istio.io/rev": "default" })],
      finding: { severity: "warning", code: "IST0123", resource: "Namespace/ns1" },
    },
    {
      name: "an unknown annotation of Istio's",
      texts: [MESHED, web({ annotations: { "sidecar.istio.io/nonsense": "1" } })],
      finding: { severity: "warning", code: "IST0108", resource: "Deployment/web.ns1", line: 3 },
    },
    {
      name: "a pod that runs as the proxy's user",
      texts: [MESHED, web({}, { securityContext: { runAsUser: 1337 } })],
      finding: { severity: "error", code: "IST0144", resource: "Deployment/web.ns1" },
    },
    {
      name: "an annotation that the injector refuses",
      texts: [MESHED, web({ annotations: { "traffic.sidecar.istio.io/excludeInboundPorts": "x" } })],
      finding: { severity: "error", code: "ENT0015", resource: "Deployment/web.ns1" },
    },
    {
      name: "a port whose protocol is not declared",
      texts: [MESHED, WEB, testService({ name: "web", ports: [{ name: "web", port: 80, targetPort: 8080 }] })],
      finding: { severity: "info", code: "IST0118", resource: "Service/web.ns1", field: "spec.ports[0]" },
    },
    {
      name: "a rule that asks for mutual TLS with a pod that has no sidecar",
      texts: [
        MESHED,
        web({ labels: { "sidecar.istio.io/inject": "false" } }),
        SERVICE,
        rule(HOST, "ISTIO_MUTUAL"),
        JSON.stringify(workload("Deployment", "client")),
      ],
      finding: { severity: "error", code: "IST0115", resource: "DestinationRule/tls.ns1" },
    },
    {
      name: "the same by a wildcard, as a warning",
      texts: [
        MESHED,
        web({ labels: { "sidecar.istio.io/inject": "false" } }),
        SERVICE,
        rule("*.local", "ISTIO_MUTUAL"),
        JSON.stringify(workload("Deployment", "client")),
      ],
      finding: { severity: "warning", code: "IST0115", resource: "DestinationRule/tls.ns1" },
    },
    {
      name: "a rule that asks for plaintext with a STRICT server",
      texts: [MESHED, WEB, SERVICE, STRICT, rule(HOST, "DISABLE")],
      finding: { severity: "error", code: "IST0113", resource: "DestinationRule/tls.ns1" },
    },
    {
      name: "a document that is not valid",
      texts: [testResource("PeerAuthentication", "p", { mtls: { mode: "STRICTLY" } })],
      finding: { severity: "error", code: "IST0106", line: 1, field: "spec.mtls.mode" },
    },
    { name: "text that is not YAML", texts: ["a: ["], finding: { severity: "error", code: "ENT0002" } },
    {
      name: "a kind that is not served",
      texts: [
        JSON.stringify({ apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata: { name: "e" } }),
      ],
      finding: { severity: "error", code: "ENT0003" },
    },
    {
      name: "a reference to a missing resource",
      texts: [rule("nobody.ns1.svc.cluster.local", "ISTIO_MUTUAL")],
      finding: { severity: "warning", code: "IST0101", resource: "DestinationRule/tls.ns1" },
    },
  ])("$name", ({ texts, finding }) => {
    const found = analyze(...texts);
    expect(found).toContainEqual(expect.objectContaining({ file: "a.yaml", ...finding }));
    for (const { name, code } of found) expect(code).toBe(FINDING_CODES[name]);
  });

  it("nothing of a mesh that is in order", () => {
    expect(analyze(MESHED, WEB, SERVICE, STRICT, rule(HOST, "ISTIO_MUTUAL"))).toEqual([]);
  });

  it("nothing of a wildcard rule and the mesh's own services", () => {
    const istiod = testService({ name: "istiod", namespace: "istio-system", spec: { selector: { app: "istiod" } } });
    const plane = { ...workload("Deployment", "istiod"), metadata: { name: "istiod", namespace: "istio-system" } };
    const texts = [MESHED, WEB, SERVICE, istiod, JSON.stringify(plane), rule("*.local", "ISTIO_MUTUAL")];
    expect(analyze(...texts)).toEqual([]);
  });

  it("only as information that a ConfigMap does not concern the mesh", () => {
    const text = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "c", namespace: "ns1" } });
    expect(analyze(text)).toMatchObject([{ severity: "info", code: "ENT0004" }]);
  });
});

it.each([
  { resource: "Service/web.ns1", concerned: true },
  { resource: "Service/web.ns2", concerned: false },
  { resource: "Service/a.ns1.b", concerned: false },
  { resource: "Namespace/ns1", concerned: true },
  { resource: "Namespace/ns2", concerned: false },
  { resource: "MeshPolicy/default", concerned: true },
  { resource: undefined, concerned: true },
])("a finding of $resource concerns namespace ns1: $concerned", ({ resource, concerned }) => {
  const finding: Finding = { severity: "error", code: "ENT0002", name: "MalformedYaml", message: "" };
  expect(concernsNamespace({ ...finding, ...(resource === undefined ? {} : { resource }) }, "ns1")).toBe(concerned);
});

describe("findings as text", () => {
  const finding: Finding = {
    severity: "error",
    code: "IST0101",
    name: "ReferencedResourceNotFound",
    resource: "Service/a.b",
    file: "a.yaml",
    line: 3,
    message: "is \u001b[31mred",
  };

  it("are lines that editors and CI understand, without control characters, and their number", () => {
    expect(formatFindings([finding], PLAIN)).toBe(
      "a.yaml:3: error [IST0101]: Service/a.b: is \\x1b[31mred\n\n1 error, 0 warnings, 0 for information.\n",
    );
  });

  it("say that there are none", () => {
    expect(formatFindings([], PLAIN)).toBe("No problems found.\n");
  });
});
