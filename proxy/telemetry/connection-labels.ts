import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import type { ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";

/** Istio's labels of a connection, in Istio's order, without those of how it or a request ended. */
export const CONNECTION_LABEL_NAMES = [
  "reporter",
  "source_workload",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_canonical_service",
  "source_canonical_revision",
  "source_cluster",
  "destination_workload",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_cluster",
  "destination_service",
  "destination_service_name",
  "destination_service_namespace",
  "request_protocol",
  "connection_security_policy",
] as const;

/** Istio's value for an unknown label. */
export const UNKNOWN_LABEL = "unknown";

/** One label set. Every value comes from the control plane, from a verified certificate or from this code. */
export type ConnectionLabels = Readonly<Record<(typeof CONNECTION_LABEL_NAMES)[number], string>>;

/** What is known about a connection when it opens. Only verified principals are allowed. */
export interface ConnectionFacts {
  /** Which side counts: `source` outbound, `destination` inbound. */
  readonly reporter: "source" | "destination";
  readonly source?: WorkloadInfo | undefined;
  readonly sourcePrincipal?: SpiffeId | undefined;
  readonly destination?: WorkloadInfo | undefined;
  readonly destinationPrincipal?: SpiffeId | undefined;
  readonly service?: ServiceInfo | undefined;
  readonly security: "mutual_tls" | "none" | "unknown";
}

/**
 * What is counted, as Istio reports it: a connection's bytes, requests of any HTTP version, or calls of gRPC, which are
 * the requests with a `content-type` of gRPC.
 */
export type RequestProtocol = "tcp" | "http" | "grpc";

/**
 * Builds a connection's label set. Addresses, ports, SNI and other values that a client chooses are not labels: an
 * unauthenticated client could fill the memory with label sets (CVE-2025-43915). If a side's workload is unknown, its
 * namespace is taken from its verified principal. The security policy is Istio's: reported by the destination,
 * `unknown` at the source.
 */
export function connectionLabels(facts: ConnectionFacts, protocol: RequestProtocol = "tcp"): ConnectionLabels {
  const source = workloadLabels(facts.source, facts.sourcePrincipal);
  const destination = workloadLabels(facts.destination, facts.destinationPrincipal);
  return {
    reporter: facts.reporter,
    source_workload: source.workload,
    source_workload_namespace: source.namespace,
    source_principal: source.principal,
    source_app: source.app,
    source_version: source.version,
    source_canonical_service: source.canonicalService,
    source_canonical_revision: source.canonicalRevision,
    source_cluster: UNKNOWN_LABEL,
    destination_workload: destination.workload,
    destination_workload_namespace: destination.namespace,
    destination_principal: destination.principal,
    destination_app: destination.app,
    destination_version: destination.version,
    destination_canonical_service: destination.canonicalService,
    destination_canonical_revision: destination.canonicalRevision,
    destination_cluster: UNKNOWN_LABEL,
    destination_service: known(facts.service?.host),
    destination_service_name: known(facts.service?.name),
    destination_service_namespace: known(facts.service?.namespace),
    request_protocol: protocol,
    connection_security_policy: facts.reporter === "source" ? UNKNOWN_LABEL : facts.security,
  };
}

/** The set for connections without room for their own set: only bounded values are left. */
export function overflowLabels(labels: ConnectionLabels): ConnectionLabels {
  const { reporter, request_protocol, connection_security_policy } = labels;
  const bare = connectionLabels({ reporter: reporter === "source" ? "source" : "destination", security: "unknown" });
  return { ...bare, request_protocol, connection_security_policy };
}

function workloadLabels(workload: WorkloadInfo | undefined, principal: SpiffeId | undefined) {
  const namespace = workload?.namespace ?? (principal === undefined ? undefined : spiffeIdParts(principal).namespace);
  return {
    workload: known(workload?.workload),
    namespace: known(namespace),
    principal: known(principal),
    app: known(workload?.app),
    version: known(workload?.version),
    canonicalService: known(workload?.canonicalService),
    canonicalRevision: known(workload?.canonicalRevision),
  };
}

function known(value: string | undefined): string {
  return value === undefined || value === "" ? UNKNOWN_LABEL : value;
}
