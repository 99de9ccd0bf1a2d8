import type { CertificateFiles } from "./certificates.ts";
import { CLIENT_ID, SERVER_ID } from "./identities.ts";
import type { ApplicationProtocol } from "./path.ts";

/** How one Envoy process is to stand in for one Istio sidecar. */
export interface EnvoySide {
  readonly side: "client" | "server";
  readonly port: number;
  /** Where it sends on, on 127.0.0.1. */
  readonly upstreamPort: number;
  /** What the mesh hop speaks; `stream`: bytes as they come, by `tcp_proxy`. */
  readonly hop: ApplicationProtocol | "stream";
  /** What the application speaks. */
  readonly application: ApplicationProtocol;
  readonly certificates: CertificateFiles;
}

type Config = Readonly<Record<string, unknown>>;

const TYPE = "type.googleapis.com/envoy.extensions";
const NO_LIMIT = 4_294_967_295;
/** Istio's name of a port's cluster, and the SNI that its clients send. */
const SNI = "outbound_.8080_._.server.bench.svc.cluster.local";

/** What Istio's clients offer by the protocol of the hop, the mesh's own names first. */
const ALPN_OFFERS: Readonly<Record<EnvoySide["hop"], readonly string[]>> = {
  stream: ["istio-peer-exchange", "istio"],
  "http/1.1": ["istio-http/1.1", "istio", "http/1.1"],
  h2: ["istio-h2", "istio", "h2"],
};

/**
 * One sidecar's configuration as Istio writes it, without what only Istio's own build of Envoy has (the filters of its
 * metrics and of the metadata exchange), and without what the other paths do not do either: retries, traces, access log.
 * TLS is 1.3, as on every path. Envoy reads it as YAML, of which JSON is a part.
 */
export function formatEnvoyConfig(side: EnvoySide): string {
  const config = {
    node: { id: `sidecar~127.0.0.1~${side.side}.bench~bench.svc.cluster.local`, cluster: `${side.side}.bench` },
    // Istio keeps the statistics of few things.
    stats_config: { stats_matcher: { inclusion_list: { patterns: [{ prefix: "cluster_manager" }] } } },
    static_resources: { listeners: [listenerOf(side)], clusters: [clusterOf(side)] },
  };
  return JSON.stringify(config, undefined, 1);
}

function listenerOf(side: EnvoySide): Config {
  const isClient = side.side === "client";
  const network = side.hop === "stream" ? tcpProxy(side) : connectionManager(side);
  const chain = isClient
    ? { filters: [network] }
    : {
        filter_chain_match: { transport_protocol: "tls", application_protocols: acceptedProtocols(side) },
        transport_socket: transportSocket("DownstreamTlsContext", downstreamTls(side)),
        filters: [network],
      };
  const inspector = { "@type": `${TYPE}.filters.listener.tls_inspector.v3.TlsInspector` };
  return {
    name: isClient ? "virtualOutbound" : "virtualInbound",
    traffic_direction: isClient ? "OUTBOUND" : "INBOUND",
    address: addressOf(side.port),
    listener_filters: isClient ? [] : [{ name: "envoy.filters.listener.tls_inspector", typed_config: inspector }],
    filter_chains: [chain],
  };
}

function acceptedProtocols({ hop }: EnvoySide): readonly string[] {
  return hop === "stream"
    ? ["istio-peer-exchange", "istio"]
    : ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
}

function tcpProxy({ side }: EnvoySide): Config {
  const typed_config = {
    "@type": `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: side,
    cluster: "upstream",
  };
  return { name: "envoy.filters.network.tcp_proxy", typed_config };
}

function connectionManager({ side }: EnvoySide): Config {
  const http = (name: string, type: string): Config => ({
    name: `envoy.filters.http.${name}`,
    typed_config: { "@type": `${TYPE}.filters.http.${type}` },
  });
  const filters = [
    { ...http("grpc_stats", "grpc_stats.v3.FilterConfig") },
    http("fault", "fault.v3.HTTPFault"),
    http("cors", "cors.v3.Cors"),
    http("router", "router.v3.Router"),
  ];
  const route = { match: { prefix: "/" }, route: { cluster: "upstream", timeout: "0s" } };
  const typed_config = {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: side,
    codec_type: "AUTO",
    server_name: "istio-envoy",
    use_remote_address: false,
    normalize_path: true,
    stream_idle_timeout: "0s",
    upgrade_configs: [{ upgrade_type: "websocket" }],
    ...(side === "server" ? CLIENT_CERT_DETAILS : {}),
    http_filters: filters,
    route_config: { name: side, virtual_hosts: [{ name: "any", domains: ["*"], routes: [route] }] },
  };
  return { name: "envoy.filters.network.http_connection_manager", typed_config };
}

const CLIENT_CERT_DETAILS: Config = {
  forward_client_cert_details: "SANITIZE_SET",
  set_current_client_cert_details: { subject: true, dns: true, uri: true },
};

function clusterOf(side: EnvoySide): Config {
  const isClient = side.side === "client";
  const thresholds = {
    max_connections: NO_LIMIT,
    max_pending_requests: NO_LIMIT,
    max_requests: NO_LIMIT,
    max_retries: NO_LIMIT,
    track_remaining: true,
  };
  const endpoint = { endpoint: { address: addressOf(side.upstreamPort) } };
  return {
    name: "upstream",
    type: "STATIC",
    connect_timeout: "10s",
    lb_policy: isClient ? "LEAST_REQUEST" : "ROUND_ROBIN",
    circuit_breakers: { thresholds: [thresholds] },
    load_assignment: { cluster_name: "upstream", endpoints: [{ lb_endpoints: [endpoint] }] },
    ...(side.hop === "stream" ? {} : httpOptions(isClient ? side.hop : side.application)),
    ...(isClient ? { transport_socket: transportSocket("UpstreamTlsContext", upstreamTls(side)) } : {}),
  };
}

/** No idle timeout, as the other paths have none that a run would reach. */
function httpOptions(protocol: ApplicationProtocol): Config {
  const options = protocol === "h2" ? { http2_protocol_options: {} } : { http_protocol_options: {} };
  const protocolOptions = {
    "@type": `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: options,
  };
  return {
    typed_extension_protocol_options: { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocolOptions },
  };
}

function upstreamTls({ certificates, hop }: EnvoySide): Config {
  return {
    sni: SNI,
    common_tls_context: {
      ...commonTls(certificates.client, certificates.root, SERVER_ID),
      alpn_protocols: ALPN_OFFERS[hop],
    },
  };
}

function downstreamTls({ certificates, hop }: EnvoySide): Config {
  const alpn = hop === "stream" ? ALPN_OFFERS.stream : ["h2", "http/1.1"];
  return {
    require_client_certificate: true,
    common_tls_context: { ...commonTls(certificates.server, certificates.root, CLIENT_ID), alpn_protocols: alpn },
  };
}

/** The peer's certificate must lead to the root and have this SPIFFE id. */
function commonTls(own: string, root: string, peerIdentity: string): Config {
  return {
    tls_params: { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_3" },
    tls_certificates: [{ certificate_chain: { filename: own }, private_key: { filename: own } }],
    validation_context: {
      trusted_ca: { filename: root },
      match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: peerIdentity } }],
    },
  };
}

function transportSocket(type: "UpstreamTlsContext" | "DownstreamTlsContext", context: Config): Config {
  const typed_config = { "@type": `${TYPE}.transport_sockets.tls.v3.${type}`, ...context };
  return { name: "envoy.transport_sockets.tls", typed_config };
}

function addressOf(port: number): Config {
  return { socket_address: { address: "127.0.0.1", port_value: port } };
}
