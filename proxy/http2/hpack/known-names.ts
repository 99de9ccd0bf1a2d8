import { STATIC_NAMES } from "./static-table.ts";

/**
 * Names whose values repeat between the messages of a connection, and are no secret. Only their fields become entries
 * of the encoder's table: a value in the table can be guessed by another writer of the same connection (RFC 7541 §7.1).
 */
const REPEATED_NAMES: readonly string[] = [
  ...[":authority", ":method", ":protocol", ":scheme", ":status"],
  ...["accept", "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "allow", "alt-svc"],
  ...["access-control-allow-credentials", "access-control-allow-headers", "access-control-allow-methods"],
  ...["access-control-allow-origin", "access-control-expose-headers", "access-control-max-age"],
  ...["access-control-request-headers", "access-control-request-method"],
  ...["cache-control", "content-encoding", "content-language", "content-security-policy", "content-type", "dnt"],
  ...["grpc-accept-encoding", "grpc-encoding", "grpc-status", "host", "origin", "pragma", "priority"],
  ...["permissions-policy", "referrer-policy", "retry-after", "server", "strict-transport-security", "te", "trailer"],
  ...["sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site"],
  ...["upgrade-insecure-requests", "user-agent", "vary", "via", "x-content-type-options", "x-frame-options"],
  ...["x-b3-sampled", "x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms", "x-envoy-upstream-rq-timeout-ms"],
  ...["x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-powered-by", "x-xss-protection"],
];

/** Names whose values are secrets, also for the proxies behind (RFC 7541 §7.1.3). */
const SECRET_NAMES: readonly string[] = ["authorization", "proxy-authorization"];

/** What the encoder does with a field of a name. */
export type Indexing = "repeated" | "plain" | "secret" | "cookie";

/** What is known about a name. */
export interface KnownName {
  readonly name: string;
  readonly indexing: Indexing;
  /** The first entry of the static table with this name; 0 when there is none. */
  readonly staticIndex: number;
  /** How many entries of the static table have this name, one after the other. */
  readonly staticEntries: number;
  /** Counts the known names from 0. */
  readonly slot: number;
}

const KNOWN_NAMES: ReadonlyMap<string, KnownName> = createKnownNames();

/** How many names are known. */
export const KNOWN_NAME_COUNT = KNOWN_NAMES.size;

function createKnownNames(): ReadonlyMap<string, KnownName> {
  const names = new Set([...STATIC_NAMES.slice(1), ...REPEATED_NAMES]);
  const known = [...names].map((name, slot): [string, KnownName] => {
    const staticIndex = Math.max(0, STATIC_NAMES.indexOf(name, 1));
    const staticEntries = STATIC_NAMES.filter((other) => other === name).length;
    return [name, { name, indexing: indexingOf(name), staticIndex, staticEntries, slot }];
  });
  return new Map(known);
}

function indexingOf(name: string): Indexing {
  if (SECRET_NAMES.includes(name)) return "secret";
  if (name === "cookie") return "cookie";
  return REPEATED_NAMES.includes(name) ? "repeated" : "plain";
}

/** What is known about a lower-case name; nothing for names that applications invent, which are never indexed. */
export function findKnownName(name: string): KnownName | undefined {
  return KNOWN_NAMES.get(name);
}
