import { findAuthorityFault } from "../../resources/fields/header-rules.ts";
import type { RouteRedirect } from "./http-route.ts";

/** The parts of a request that a redirect may reuse. */
export interface RedirectedRequest {
  readonly host: string;
  /** With its query. */
  readonly path: string;
  /** @default http */
  readonly scheme?: "http" | "https";
}

const DEFAULT_PORTS = { http: "80", https: "443" } as const;

/**
 * Builds the `Location` of a redirect. It is absolute, so that a path such as `//evil.example` cannot redirect to
 * another host. Parts that the route does not set come from the request. Returns `undefined` if neither has a valid
 * host. The output is visible ASCII.
 */
export function formatLocation(redirect: RouteRedirect, request: RedirectedRequest): string | undefined {
  const current = request.scheme ?? "http";
  const scheme = redirect.scheme ?? current;
  const hasPort = redirect.port !== undefined;
  const host =
    redirect.authority === undefined
      ? hostOf(request.host, { hasPort, current, scheme })
      : hostOf(redirect.authority, { hasPort, current: scheme, scheme });
  if (findAuthorityFault(host) !== undefined) return undefined;
  const port =
    redirect.port === undefined || String(redirect.port) === DEFAULT_PORTS[scheme] ? "" : `:${redirect.port}`;
  return `${scheme}://${host}${port}${pathOf(redirect.uri, request.path)}`.replaceAll(/[^\x21-\x7e]/g, percentEncode);
}

interface PortRule {
  /** Another port will be appended. */
  readonly hasPort: boolean;
  readonly current: "http" | "https";
  readonly scheme: "http" | "https";
}

/** A host's port is removed if another one is appended, or if it was the default of a changed scheme. */
function hostOf(host: string, { hasPort, current, scheme }: PortRule): string {
  const [, name, port] = /^(.*?[^:]):(\d*)$/.exec(host) ?? [];
  if (name === undefined || (name.includes(":") && !name.endsWith("]"))) return host;
  return hasPort || (current !== scheme && port === DEFAULT_PORTS[current]) ? name : host;
}

function pathOf(uri: string | undefined, path: string): string {
  if (uri === undefined) return path.startsWith("/") ? path : "/";
  const mark = path.indexOf("?");
  return uri.includes("?") || mark < 0 ? uri : uri + path.slice(mark);
}

/** The input is a string of bytes (latin1). */
function percentEncode(character: string): string {
  return `%${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`;
}
