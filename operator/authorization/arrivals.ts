import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { federatedDomains } from "../../mesh/mesh-settings.ts";
import { decideDestination } from "../../mesh/policy/destinations/destination.ts";
import { findServiceEndpoints, type ServiceEndpoint } from "../../mesh/policy/service-endpoints.ts";
import { formatServiceHost, identitiesOfPod } from "../../mesh/policy/workloads.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { OperatorError } from "../operator-error.ts";
import type { ClientSide } from "../tls/tls-row.ts";
import { hasProxy } from "../workloads/pod-proxy.ts";
import type { ExplainedTarget } from "./explained-target.ts";

/** Who connects. */
export type ExplainedClient =
  /** Sends what its sidecar sends, or without one plaintext. */
  | { readonly kind: "pod"; readonly pod: Pod }
  /** A client that proves this identity by mutual TLS. */
  | { readonly kind: "identity"; readonly identity: SpiffeId }
  | { readonly kind: "plaintext" };

/** What reaches one endpoint of a target, before anything is judged there. */
export interface Arrival {
  readonly endpoint: ServiceEndpoint;
  readonly client: ClientSide;
  /** `DestinationRule/NAME.NAMESPACE`, `auto mTLS`, or why no rule decides. */
  readonly clientRule: string;
  /** Of mutual TLS. */
  readonly identity: SpiffeId | undefined;
  /** Of mutual TLS, as far as it is known. */
  readonly sni: string | undefined;
}

/** `refused`: the client's own sidecar does not connect. */
export type Arrivals =
  | { readonly kind: "arrivals"; readonly arrivals: readonly Arrival[] }
  | { readonly kind: "refused"; readonly reason: string };

/**
 * What a client sends to each endpoint of a target, by the decision that its sidecar receives.
 * @throws OperatorError `not_found` if there is no endpoint
 */
export function decideArrivals(
  configuration: Configuration,
  client: ExplainedClient,
  target: ExplainedTarget,
): Arrivals {
  const endpoints = endpointsOf(configuration, target);
  if (endpoints.length === 0) throw new OperatorError("not_found", describeEmpty(target));
  if (client.kind === "pod" && hasProxy(client.pod)) return arriveByProxy(configuration, client.pod, target);
  const sent =
    client.kind === "identity"
      ? ({ client: "ISTIO_MUTUAL", clientRule: "--from-identity", identity: client.identity } as const)
      : ({ client: "NONE", clientRule: "no sidecar", identity: undefined } as const);
  return { kind: "arrivals", arrivals: endpoints.map((endpoint) => ({ endpoint, ...sent, sni: undefined })) };
}

function arriveByProxy(configuration: Configuration, pod: Pod, target: ExplainedTarget): Arrivals {
  const { set, settings } = configuration;
  const destination = decideDestination({ set, settings, client: pod.metadata, target: addressOf(target, settings) });
  if (destination.kind === "refused") return destination;
  if (destination.kind === "passthrough") return { kind: "refused", reason: "the target is not in the mesh" };
  const [identity] = identitiesOfPod(pod, settings);
  const arrivals = destination.endpoints.map(({ ip, port, mutualTls }) => ({
    endpoint: { ip, port, pod: set.index.podByIp.get(ip) },
    client: mutualTls ? ("ISTIO_MUTUAL" as const) : ("DISABLE" as const),
    clientRule: destination.tlsRule,
    identity: mutualTls ? identity : undefined,
    sni: mutualTls ? destination.sni : undefined,
  }));
  return { kind: "arrivals", arrivals };
}

function addressOf(target: ExplainedTarget, settings: Configuration["settings"]) {
  return target.kind === "service"
    ? ({ kind: "host", host: formatServiceHost(target.service, settings), port: target.port.port, subset: "" } as const)
    : ({ kind: "address", ip: target.pod.status.podIP ?? "", port: target.port } as const);
}

function endpointsOf({ set }: Configuration, target: ExplainedTarget): readonly ServiceEndpoint[] {
  if (target.kind === "service") return findServiceEndpoints(set, target.service, target.port) ?? [];
  const { pod, port } = target;
  const ip = pod.status.podIP ?? "";
  return ip === "" ? [] : [{ ip, port, pod }];
}

function describeEmpty(target: ExplainedTarget): string {
  if (target.kind === "pod")
    return `${formatResourceName(target.pod)} has no address yet, so nothing can connect to it`;
  const { service, port } = target;
  return (
    `${formatResourceName(service)} has no ready pod behind port ${port.port}, so nothing can connect to it: ` +
    `entente describe service ${service.metadata.name}.${service.metadata.namespace} shows its endpoints`
  );
}

/** Why the server's proxy refuses a certificate with an identity; `undefined`: it trusts its domain. */
export function findUntrusted(identity: SpiffeId, { settings }: Configuration): string | undefined {
  const { trustDomain } = spiffeIdParts(identity);
  const trusted = [settings.trustDomain, ...settings.trustDomainAliases, ...federatedDomains(settings)];
  if (trusted.includes(trustDomain)) return undefined;
  return `the mesh does not trust the trust domain ${trustDomain}; it trusts ${trusted.join(", ")}`;
}
