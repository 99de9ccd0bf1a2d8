import { expandHost } from "../../mesh/policy/destinations/destination-rules.ts";
import { matchHost } from "../../mesh/policy/match-host.ts";
import { findServiceEndpoints } from "../../mesh/policy/service-endpoints.ts";
import { findTcpPorts, formatServiceHost } from "../../mesh/policy/workloads.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Service, ServicePort } from "../../mesh/resources/kinds/service.ts";
import { describeServiceAuthorization, type ServiceAuthorization } from "../authorization/service-authorization.ts";
import type { TlsRow } from "../tls/tls-row.ts";
import { createTlsTable, type TlsFacts } from "../tls/tls-table.ts";
import { hasSidecar } from "../workloads/pod-proxy.ts";
import { describeProtocol, type ProtocolDescription } from "./port-description.ts";
import { describeRoutes, type RouteDescription } from "./route-description.ts";

/** What the mesh does with a service. */
export interface ServiceDescription {
  /** `Service/NAME.NAMESPACE`. */
  readonly service: string;
  readonly host: string;
  readonly ports: readonly ServicePortDescription[];
  /** The DestinationRules whose host matches, for any client. */
  readonly destinationRules: readonly RuleDescription[];
  /** How clients with a sidecar reach it. */
  readonly tls: readonly TlsRow[];
  readonly routes: readonly RouteDescription[];
  /** The policies that decide what clients may do at the pods behind it. */
  readonly authorization: readonly ServiceAuthorization[];
}

export interface ServicePortDescription {
  readonly port: number;
  readonly name?: string;
  readonly targetPort: number | string;
  readonly protocol: ProtocolDescription;
  readonly endpoints: readonly EndpointDescription[];
}

export interface EndpointDescription {
  /** `NAME.NAMESPACE`, or the address if it is no pod. */
  readonly name: string;
  readonly port: number;
  readonly hasSidecar: boolean;
}

export interface RuleDescription {
  readonly rule: string;
  /** As written: `*.local`. */
  readonly host: string;
  /** Whether it decides TLS for any client. */
  readonly isUsed: boolean;
  readonly subsets: readonly string[];
}

/** Describes a service by the decisions for its clients. */
export function describeService(facts: TlsFacts, service: Service): ServiceDescription {
  const host = formatServiceHost(service, facts.settings);
  const tls = createTlsTable(facts, { isSelected: (one) => one === service });
  return {
    service: formatResourceName(service),
    host,
    ports: findTcpPorts(service).map((port) => describePort(facts, service, port)),
    destinationRules: describeRules(facts, host, tls),
    tls,
    routes: describeRoutes(facts, service),
    authorization: describeServiceAuthorization(facts, service),
  };
}

/** The resources that a description speaks of. */
export function relatedServiceNames({
  service,
  destinationRules,
  routes,
  authorization,
}: ServiceDescription): ReadonlySet<string> {
  const rules = [...destinationRules, ...routes].map(({ rule }) => rule);
  return new Set([service, ...rules, ...authorization.map(({ policy }) => policy)]);
}

function describePort({ set }: TlsFacts, service: Service, port: ServicePort): ServicePortDescription {
  return {
    port: port.port,
    ...(port.name === undefined ? {} : { name: port.name }),
    targetPort: port.targetPort ?? port.port,
    protocol: describeProtocol(port),
    endpoints: (findServiceEndpoints(set, service, port) ?? []).map((endpoint) => {
      const { pod, ip } = endpoint;
      const name = pod === undefined ? ip : `${pod.metadata.name}.${pod.metadata.namespace}`;
      return { name, port: endpoint.port, hasSidecar: pod !== undefined && hasSidecar(pod) };
    }),
  };
}

function describeRules({ set, settings }: TlsFacts, host: string, rows: readonly TlsRow[]): readonly RuleDescription[] {
  const used = new Set(rows.map(({ destinationRule }) => destinationRule));
  return [...set.destinationRules.values()]
    .filter(({ spec, metadata }) => matchHost(expandHost(spec.host, metadata.namespace, settings), host))
    .map((rule) => ({
      rule: formatResourceName(rule),
      host: rule.spec.host,
      isUsed: used.has(formatResourceName(rule)),
      subsets: rule.spec.subsets.map(({ name }) => name),
    }))
    .toSorted((left, right) => Number(right.isUsed) - Number(left.isUsed));
}
