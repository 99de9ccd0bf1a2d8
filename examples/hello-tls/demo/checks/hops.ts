import type { ShownConnection } from "./admin-views.ts";

/** One hop of the request, as the sidecars at its two ends see it. */
export interface HopView {
  readonly name: string;
  /** The client's sidecar's view; `undefined`: it shows no such connection. */
  readonly client: ShownConnection | undefined;
  /** The server's sidecar's view; `undefined` where there is no sidecar or no such connection. */
  readonly server: ShownConnection | undefined;
}

/** A hop in the words of the report. */
export interface HopRow {
  readonly name: string;
  /** Who the client is, as the server's sidecar verified it. */
  readonly source: string;
  /** Who the server is, as the client's sidecar verified it. */
  readonly destination: string;
  /** `TLSv1.3`, `plaintext`, or `unknown` where neither end shows the connection. */
  readonly security: string;
  readonly cipher: string;
  readonly keyExchange: string;
  readonly rule: string;
}

/** Finds the connections of a hop in what both ends show. */
export function findHop(name: string, ends: HopEnds): HopView {
  const client = ends.clientShows.find(
    ({ direction, endpoint }) => direction === "outbound" && endpoint === ends.serverAddress,
  );
  const server = ends.serverShows.find(
    (connection) =>
      connection.direction === "inbound" &&
      connection.client.startsWith(`${ends.clientIp}:`) &&
      connection.mutual_tls !== null,
  );
  return { name, client, server };
}

export interface HopEnds {
  readonly clientIp: string;
  /** `ip:port` of the pod. */
  readonly serverAddress: string;
  readonly clientShows: readonly ShownConnection[];
  readonly serverShows: readonly ShownConnection[];
}

const NONE = "–";

/** Puts both views together: each identity from the end that verified it, the key exchange from the client's. */
export function describeHop({ name, client, server }: HopView): HopRow {
  const isKnown = client !== undefined || server !== undefined;
  const tls = client?.mutual_tls ?? server?.mutual_tls;
  return {
    name,
    source: server?.mutual_tls?.peer ?? NONE,
    destination: client?.mutual_tls?.peer ?? NONE,
    security: isKnown ? (tls?.version ?? "plaintext") : "unknown",
    cipher: tls?.cipher ?? NONE,
    keyExchange: textOr(client?.mutual_tls?.key_exchange, NONE),
    rule: textOr(client?.rule ?? server?.rule, NONE),
  };
}

function textOr(text: string | undefined, otherwise: string): string {
  return text === undefined || text === "" ? otherwise : text;
}
