/** Helpers to create a ResourceSet, for tests only. */
import { DEFAULT_MESH_SETTINGS } from "../mesh-settings.ts";
import { formatConfigProblem } from "./config-problem.ts";
import type { Pod } from "./kinds/pod.ts";
import { parseResources } from "./parsing/parse-resources.ts";
import { createResourceSet, type ResourceSet } from "./resource-set.ts";

export const TEST_SETTINGS = DEFAULT_MESH_SETTINGS;

/** A set from YAML without errors. */
export function createTestSet(...texts: readonly string[]): ResourceSet {
  const { resources, problems } = parseResources({ text: texts.join("\n---\n"), file: "test.yaml" });
  const errors = problems.filter((problem) => problem.severity === "error");
  if (errors.length > 0) throw new Error(errors.map(formatConfigProblem).join("\n"));
  return createResourceSet(resources);
}

/** A pod of the set; throws if it is missing. */
export function findTestPod(set: ResourceSet, key: string): Pod {
  const pod = set.pods.get(key);
  if (pod === undefined) throw new Error(`no pod ${key}`);
  return pod;
}

export interface TestPod {
  readonly name: string;
  readonly namespace?: string;
  readonly ip?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Whether its sidecar supports mutual TLS. @default true */
  readonly meshed?: boolean;
  readonly serviceAccount?: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly status?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** YAML of a running pod. */
export function testPod(options: TestPod): string {
  const meshed = (options.meshed ?? true) ? { "security.istio.io/tlsMode": "istio" } : {};
  const { name, namespace = "ns1", ip = "10.0.0.1", labels = { app: name } } = options;
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { ...labels, ...meshed }, ...options.metadata },
    spec: {
      serviceAccountName: options.serviceAccount ?? "default",
      containers: [{ name: "app", ports: options.ports ?? [{ containerPort: 8080 }] }],
      ...options.spec,
    },
    status: {
      podIP: ip,
      phase: "Running",
      conditions: [{ type: "Ready", status: "True" }],
      ...options.status,
    },
  });
}

/** YAML of a service that selects `app: NAME`. */
export function testService(options: {
  readonly name: string;
  readonly namespace?: string;
  readonly clusterIP?: string;
  readonly ports?: readonly Readonly<Record<string, unknown>>[];
  readonly spec?: Readonly<Record<string, unknown>>;
}): string {
  const { name, namespace = "ns1", clusterIP = "10.96.0.1" } = options;
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: {
      selector: { app: name },
      clusterIP,
      ports: options.ports ?? [{ name: "http", port: 8080, targetPort: 8080 }],
      ...options.spec,
    },
  });
}

export interface TestSlice {
  readonly name?: string;
  readonly namespace?: string;
  readonly service: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly addressType?: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints: readonly Readonly<Record<string, unknown>>[];
  readonly ports?: readonly Readonly<Record<string, unknown>>[];
}

/** YAML of an EndpointSlice with the port `http` 8080. */
export function testSlice(options: TestSlice): string {
  const { service, name = `${service}-1`, namespace = "ns1", addressType = "IPv4", endpoints } = options;
  return JSON.stringify({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace, labels: { "kubernetes.io/service-name": service, ...options.labels } },
    addressType,
    endpoints,
    ports: options.ports ?? [{ name: "http", port: 8080, protocol: "TCP" }],
  });
}

/** YAML of any resource whose API version follows from its kind. */
export function testResource(
  kind: keyof typeof API_VERSIONS,
  name: string,
  spec: unknown,
  metadata: object = {},
): string {
  return JSON.stringify({ apiVersion: API_VERSIONS[kind], kind, metadata: { name, ...metadata }, spec });
}

const API_VERSIONS = {
  MeshPolicy: "authentication.istio.io/v1alpha1",
  Policy: "authentication.istio.io/v1alpha1",
  PeerAuthentication: "security.istio.io/v1",
  RequestAuthentication: "security.istio.io/v1",
  AuthorizationPolicy: "security.istio.io/v1beta1",
  DestinationRule: "networking.istio.io/v1alpha3",
  VirtualService: "networking.istio.io/v1beta1",
  Gateway: "networking.istio.io/v1",
} as const;
