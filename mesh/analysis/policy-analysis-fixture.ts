/** Policies and workloads for tests of their analysis. For tests only. */
import { parseTrustDomain } from "../identity/spiffe-id.ts";
import type { MeshSettings } from "../mesh-settings.ts";
import { formatConfigProblem } from "../resources/config-problem.ts";
import { FINDING_CODES } from "../resources/finding-codes.ts";
import { createTestSet, TEST_SETTINGS, testPod, testResource, testService } from "../resources/resource-set-fixture.ts";
import { analyzeResourceSet } from "./analyze-resource-set.ts";

export const TD = "cluster.local";
const MESH: MeshSettings = {
  ...TEST_SETTINGS,
  trustDomain: parseTrustDomain("own.example"),
  trustDomainAliases: [parseTrustDomain("old.example")],
  caCertificates: [{ kind: "pem", trustDomains: [parseTrustDomain("foreign.example")], roots: [] }],
};
export const WEB = testPod({ name: "web", ports: [{ name: "http", containerPort: 8080 }, { containerPort: 9000 }] });
export const OTHER = testPod({ name: "other", namespace: "ns2", ip: "10.0.0.2" });
export const SERVICE = testService({
  name: "web",
  ports: [
    { name: "http", port: 80, targetPort: 8080 },
    { name: "tcp-db", port: 9000, targetPort: 9000 },
  ],
});
export const EDGE = [
  testPod({ name: "edge", ip: "10.0.0.9", labels: { istio: "edge" } }),
  testResource("Gateway", "gw", { selector: { istio: "edge" }, servers: [] }, { namespace: "ns1" }),
];
export const STRICT = testResource(
  "PeerAuthentication",
  "default",
  { mtls: { mode: "STRICT" } },
  { namespace: "istio-system" },
);
export const NAMESPACES = ["ns1", "ns2"].map((name) =>
  JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } }),
);

export const policy = (spec: object, metadata: object = {}): string =>
  testResource("AuthorizationPolicy", "p", spec, { namespace: "ns1", ...metadata });
export const tokens = (spec: object, namespace = "ns1"): string =>
  testResource("RequestAuthentication", "t", spec, { namespace });
export const from = (source: object, rest: object = {}): string => policy({ ...rest, rules: [{ from: [{ source }] }] });
export const to = (operation: object, rest: object = {}): string =>
  policy({ ...rest, rules: [{ to: [{ operation }] }] });
export const DENY = { action: "DENY" };
export const forWeb = { selector: { matchLabels: { app: "web" } } };

/** The findings, a line each, with their codes. */
export function analyze(...resources: readonly string[]): readonly string[] {
  return analyzeResourceSet(createTestSet(...resources), MESH).map(
    (problem) =>
      `${FINDING_CODES[problem.finding]} ${formatConfigProblem(problem).replace(/^test\.yaml:\d+: warning: /, "")}`,
  );
}
