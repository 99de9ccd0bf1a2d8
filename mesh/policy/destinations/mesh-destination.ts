import type { SpiffeId } from "../../identity/spiffe-id.ts";
import type { MeshSettings } from "../../mesh-settings.ts";
import type { Pod } from "../../resources/kinds/pod.ts";
import type { Service, ServicePort } from "../../resources/kinds/service.ts";
import type { ResourceSet } from "../../resources/resource-set.ts";
import { decideServiceMode } from "../authentication/server-mode.ts";
import { declaredProtocol } from "../declared-protocol.ts";
import type { HttpRoute } from "../routing/http-route.ts";
import type { Destination, Endpoint, WorkloadInfo } from "../types.ts";
import { identitiesOfPod, serviceInfo, supportsMutualTls, workloadInfo } from "../workloads.ts";
import { type ClientTlsDecision, decideClientTls } from "./client-tls.ts";
import { decideConnectionPool } from "./connection-pool.ts";
import { findUnreadableRule, type MergedRule } from "./destination-rules.ts";

/** An address that can be dialled. Without a pod it is outside the mesh. */
export interface Backend {
  readonly ip: string;
  readonly port: number;
  readonly pod: Pod | undefined;
}

export interface MeshDestinationInput {
  readonly set: ResourceSet;
  readonly settings: MeshSettings;
  readonly host: string;
  /** The service's port, or the pod's if there is no service. */
  readonly port: number;
  readonly subset: string;
  readonly rule: MergedRule | undefined;
  readonly service: Service | undefined;
  readonly servicePort: ServicePort | undefined;
  /** @default the service's */
  readonly namespace?: string;
  readonly backends: readonly Backend[];
  /** @default none */
  readonly routes?: readonly HttpRoute[];
}

const UNKNOWN_WORKLOAD: WorkloadInfo = {
  namespace: "",
  pod: "",
  workload: "",
  serviceAccount: "",
  app: "",
  version: "",
  canonicalService: "",
  canonicalRevision: "",
};

/** Builds a destination with known host, port and endpoints: selects TLS and the accepted identities. */
export function decideMeshDestination(input: MeshDestinationInput): Destination {
  const { host, port, subset, rule, service, servicePort, settings } = input;
  const tls = decideTls(input);
  if (tls.kind === "refused") return { kind: "refused", reason: tls.reason };
  const endpoints = input.backends.map((backend) => createEndpoint(backend, tls));
  const requestedIds = tls.kind === "mutual" ? tls.identities : [];
  const identities = requestedIds.length > 0 ? requestedIds : unionOfIdentities(input.backends, settings);
  if (identities.length === 0 && endpoints.some((endpoint) => endpoint.mutualTls)) {
    const fix = "give it a selector, EndpointSlices of the mesh's pods, or a DestinationRule with tls mode DISABLE";
    return {
      kind: "refused",
      reason: `${tls.rule} requires mutual TLS with ${host}, whose pods are unknown: ${fix}`,
    };
  }
  const protocol = servicePort === undefined ? undefined : declaredProtocol(servicePort);
  return {
    kind: "mesh",
    host,
    port,
    subset,
    protocol,
    sni: (tls.kind === "mutual" ? tls.sni : undefined) ?? `outbound_.${port}_.${subset}_.${host}`,
    identities,
    tlsRule: tls.rule,
    endpoints,
    service: service === undefined ? undefined : serviceInfo(service, settings),
    connectionPool: decideConnectionPool({ rule, port, subset, protocol, settings }),
    routes: input.routes ?? [],
  };
}

function decideTls(input: MeshDestinationInput): ClientTlsDecision {
  const { set, settings, rule, port, subset, service, servicePort } = input;
  const isNamed = service !== undefined && servicePort !== undefined;
  return decideClientTls({
    rule,
    port,
    subset,
    autoMtls: settings.autoMtls,
    unreadableRule: findUnreadableRule(set),
    serverMode: decideServiceMode({
      set,
      settings,
      namespace: input.namespace ?? service?.metadata.namespace ?? "",
      service: isNamed ? { name: service.metadata.name, port: servicePort } : undefined,
    }),
  });
}

function createEndpoint({ ip, port, pod }: Backend, tls: ClientTlsDecision): Endpoint {
  const mutualTls = tls.kind === "mutual" || (tls.kind === "auto" && pod !== undefined && supportsMutualTls(pod));
  return { ip, port, mutualTls, workload: pod === undefined ? UNKNOWN_WORKLOAD : workloadInfo(pod) };
}

function unionOfIdentities(backends: readonly Backend[], settings: MeshSettings): readonly SpiffeId[] {
  const pods = backends.flatMap(({ pod }) => (pod === undefined ? [] : [pod]));
  return [...new Set(pods.flatMap((pod) => identitiesOfPod(pod, settings)))].sort();
}
