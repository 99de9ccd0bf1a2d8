import { formatSocketAddress } from "../../net/socket-address.ts";
import type { OpenConnection } from "../connections/connection-registry.ts";
import type { CachedDestination } from "../outbound/destination-cache.ts";

/** One connection, from accept to its end. */
export interface ConnectionView {
  readonly direction: "inbound" | "outbound";
  /** `accepted`: not judged yet · `waiting`: nothing delivered yet · `open`. */
  readonly stage: OpenConnection["stage"];
  readonly client: string;
  readonly destination: string;
  readonly endpoint: string;
  readonly host: string;
  readonly rule: string;
  /** `null`: plaintext. */
  readonly mutual_tls: MutualTlsView | null;
  readonly open_seconds: number;
  readonly received_bytes: number;
  readonly sent_bytes: number;
}

export interface MutualTlsView {
  readonly peer: string;
  readonly version: string;
  readonly cipher: string;
  /** Empty if unknown. */
  readonly key_exchange: string;
}

/** One destination in use, as the control plane describes it. */
export interface DestinationView {
  readonly target: string;
  readonly connections: number;
  /** `pending`: no response yet. */
  readonly state: "pending" | "mesh" | "passthrough" | "refused";
  readonly reason?: string;
  readonly host?: string;
  readonly sni?: string;
  readonly tls_rule?: string;
  readonly identities?: readonly string[];
  readonly endpoints?: readonly { readonly address: string; readonly mutual_tls: boolean; readonly pod: string }[];
}

/** Describes an open connection. @param nowMs by the monotonic clock, as `openedAtMs` */
export function describeConnection(connection: OpenConnection, nowMs: number): ConnectionView {
  const { peer } = connection;
  const bytes = connection.bytes();
  return {
    direction: connection.direction,
    stage: connection.stage,
    client: connection.client,
    destination: formatSocketAddress(connection.destination),
    endpoint: formatSocketAddress(connection.endpoint),
    host: connection.host,
    rule: connection.rule,
    mutual_tls:
      peer === undefined
        ? null
        : {
            peer: peer.identity,
            version: peer.tlsVersion,
            cipher: peer.cipher,
            key_exchange: peer.keyExchangeGroup,
          },
    open_seconds: Math.floor((nowMs - connection.openedAtMs) / 1000),
    received_bytes: bytes.received,
    sent_bytes: bytes.sent,
  };
}

/** Describes a destination of the cache. */
export function describeDestination(cached: CachedDestination): DestinationView {
  const { target, destination, connections } = cached;
  const common = {
    target: target.kind === "address" ? formatSocketAddress(target) : formatHostTarget(target),
    connections,
  };
  switch (destination?.kind) {
    case undefined:
      return { ...common, state: "pending" };
    case "passthrough":
      return { ...common, state: "passthrough" };
    case "refused":
      return { ...common, state: "refused", reason: destination.reason };
    case "mesh":
      return {
        ...common,
        state: "mesh",
        host: destination.host,
        sni: destination.sni,
        tls_rule: destination.tlsRule,
        identities: destination.identities,
        endpoints: destination.endpoints.map((endpoint) => ({
          address: formatSocketAddress(endpoint),
          mutual_tls: endpoint.mutualTls,
          pod: endpoint.workload.pod,
        })),
      };
  }
}

function formatHostTarget(target: { readonly host: string; readonly port: number; readonly subset: string }): string {
  return target.subset === "" ? `${target.host}:${target.port}` : `${target.host}:${target.port} (${target.subset})`;
}
