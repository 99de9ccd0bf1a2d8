import { decideServerMode } from "../../mesh/policy/authentication/server-mode.ts";
import { declaredProtocol } from "../../mesh/policy/declared-protocol.ts";
import { decideDestination } from "../../mesh/policy/destinations/destination.ts";
import { expandHost, findDestinationRule } from "../../mesh/policy/destinations/destination-rules.ts";
import { matchHost } from "../../mesh/policy/match-host.ts";
import type { MeshDestination } from "../../mesh/policy/types.ts";
import { findTcpPorts, formatServiceHost } from "../../mesh/policy/workloads.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { Service, ServicePort } from "../../mesh/resources/kinds/service.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { hasProxy, hasSidecar } from "../workloads/pod-proxy.ts";
import { describeConflict } from "./describe-conflict.ts";
import { ClientGroups, indexClients, nameOfClient, type TlsClient } from "./tls-clients.ts";
import { accepts, type ClientSide, type ServerSide, type TlsRow } from "./tls-row.ts";

export interface TlsTableOptions {
  /** One client. @default all that have a proxy */
  readonly client?: Pod;
  /** Only clients of this namespace. @default all */
  readonly namespace?: string;
  /** Only these services. @default all */
  readonly isSelected?: (service: Service) => boolean;
}

/** The part of a configuration that the table needs. */
export type TlsFacts = Pick<Configuration, "set" | "settings">;

/**
 * Who speaks what to whom, by which two rules. The decisions are those that the sidecars receive. Clients and servers
 * that share a row's other values share the row.
 */
export function createTlsTable(facts: TlsFacts, options: TlsTableOptions = {}): readonly TlsRow[] {
  const { client, namespace, isSelected = () => true } = options;
  const groups = new ClientGroups(
    client === undefined ? indexClients(facts.set, namespace) : new Map(),
    facts.settings,
  );
  const services = [...facts.set.services.values()].filter(
    (service) => service.spec.type !== "ExternalName" && isSelected(service),
  );
  const rows = services.flatMap((service) => {
    const own = onlyRulesOf(facts, service);
    const clients =
      client === undefined
        ? groups.of([...own.set.destinationRules.values()])
        : [{ pod: client, names: [nameOfClient(client)] }];
    return findTcpPorts(service).flatMap((port) =>
      mergeClients(clients.flatMap((from) => rowsOfPort(own, { service, port, client: from }))),
    );
  });
  return rows.toSorted(
    (left, right) => compare(left.host, right.host) || left.port - right.port || compare(left.subset, right.subset),
  );
}

/** The DestinationRules that match a service's host: no other has an influence, and most services have few. */
function onlyRulesOf({ set, settings }: TlsFacts, service: Service): TlsFacts {
  const host = formatServiceHost(service, settings);
  const matching = [...set.destinationRules].filter(([, { spec, metadata }]) =>
    matchHost(expandHost(spec.host, metadata.namespace, settings), host),
  );
  return { set: { ...set, destinationRules: new Map(matching) }, settings };
}

interface Hop {
  readonly service: Service;
  readonly port: ServicePort;
  readonly client: TlsClient;
}

/** The rows of a port without a subset, and of each subset that the client's rules define. */
function rowsOfPort(facts: TlsFacts, hop: Hop): readonly TlsRow[] {
  const host = formatServiceHost(hop.service, facts.settings);
  const client = hop.client.pod.metadata;
  const rule = hasProxy(hop.client.pod)
    ? findDestinationRule({ ...facts, client, host, namespace: hop.service.metadata.namespace })
    : undefined;
  const subsets = ["", ...(rule?.subsets ?? []).map(({ subset }) => subset.name)];
  return subsets.flatMap((subset) => rowsOfSubset(facts, hop, { host, subset }));
}

function rowsOfSubset(facts: TlsFacts, hop: Hop, target: { host: string; subset: string }): readonly TlsRow[] {
  const { pod, names } = hop.client;
  const { port } = hop.port;
  const protocol: TlsRow["protocol"] = declaredProtocol(hop.port) ?? "undeclared";
  const shared = { ...target, port, protocol, clients: names };
  const destination = decideDestination({
    ...(hasProxy(pod) ? facts : withoutRules(facts)),
    client: pod.metadata,
    target: { kind: "host", ...target, port },
  });
  if (destination.kind !== "mesh") {
    const problem = destination.kind === "refused" ? destination.reason : "the host is not in the mesh";
    return [{ ...shared, ...NOBODY, status: "REFUSED", destinationRule: "", problem }];
  }
  const ends = destination.endpoints.map((endpoint) => describeEnd(facts, hop, { destination, endpoint }));
  if (ends.length === 0) {
    const destinationRule = hasProxy(pod) ? destination.tlsRule : NO_PROXY;
    return [{ ...shared, ...NOBODY, status: "NO ENDPOINTS", destinationRule }];
  }
  return [...Map.groupBy(ends, ({ key }) => key).values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [{ ...shared, ...joinEnds(first, others) }],
  );
}

/** The destination rule's column for a client without a sidecar, and the policy's for a server without one. */
const NO_PROXY = "no sidecar";
const NOBODY = { authenticationPolicy: "", servers: [] } as const;

/** What a client without a proxy sends is decided by no rule. */
function withoutRules({ set, settings }: TlsFacts): TlsFacts {
  return { set: { ...set, destinationRules: new Map() }, settings: { ...settings, autoMtls: false } };
}

interface End {
  readonly key: string;
  readonly server: ServerSide;
  readonly client: ClientSide;
  readonly authenticationPolicy: string;
  readonly destinationRule: string;
  /** `NAME.NAMESPACE`, or the address of an endpoint that is no pod. */
  readonly name: string;
}

function describeEnd(
  { set, settings }: TlsFacts,
  { client }: Hop,
  { destination, endpoint }: { destination: MeshDestination; endpoint: MeshDestination["endpoints"][number] },
): End {
  const { pod: name, namespace } = endpoint.workload;
  const pod = set.pods.get(formatResourceKey(namespace, name));
  const mode =
    pod !== undefined && hasSidecar(pod) ? decideServerMode({ set, settings, pod, port: endpoint.port }) : undefined;
  const server = mode?.mode ?? "NONE";
  const sent = !hasProxy(client.pod) ? "NONE" : endpoint.mutualTls ? "ISTIO_MUTUAL" : "DISABLE";
  const authenticationPolicy = mode?.rule ?? NO_PROXY;
  const destinationRule = sent === "NONE" ? NO_PROXY : destination.tlsRule;
  return {
    key: [server, sent, authenticationPolicy].join(" "),
    server,
    client: sent,
    authenticationPolicy,
    destinationRule,
    name: pod === undefined ? endpoint.ip : `${name}.${namespace}`,
  };
}

/** Pods of a port that behave alike. */
function joinEnds(
  first: End,
  others: readonly End[],
): Omit<TlsRow, "host" | "subset" | "port" | "protocol" | "clients"> {
  const { key: _key, name, ...end } = first;
  const servers = [...new Set([name, ...others.map((other) => other.name)])].sort();
  if (!accepts(end.server, end.client)) {
    return { ...end, servers, status: "CONFLICT", problem: describeConflict(end) };
  }
  return { ...end, servers, status: end.destinationRule.startsWith("auto mTLS") ? "AUTO" : "OK" };
}

/** Rows of one port that differ in their clients alone become one. */
function mergeClients(rows: readonly TlsRow[]): readonly TlsRow[] {
  if (rows.length < 2) return rows;
  const groups = Map.groupBy(rows, ({ clients: _, ...rest }) => JSON.stringify(rest));
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return [];
    if (others.length === 0) return [first];
    return [{ ...first, clients: [...new Set([first, ...others].flatMap(({ clients }) => clients))].sort() }];
  });
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
