import { findAuthorityFault } from "../../resources/fields/header-rules.ts";
import type { RouteRedirect } from "./http-route.ts";

/** What of a request a redirect goes back to. */
export interface RedirectedRequest {
  readonly host: string;
  /** With its query. */
  readonly path: string;
  /** @default http */
  readonly scheme?: "http" | "https";
}

const DEFAULT_PORTS = { http: "80", https: "443" } as const;

/**
 * The `Location` of a redirect, absolute, so that a path such as `//evil.example` cannot name another host; what the
 * route does not name is the request's. `undefined` where neither names a valid host. Nothing but visible ASCII comes out.
 */
export function formatLocation(redirect: RouteRedirect, request: RedirectedRequest): string | undefined {
  const asked = request.scheme ?? "http";
  const scheme = redirect.scheme ?? asked;
  const hasPort = redirect.port !== undefined;
  const host =
    redirect.authority === undefined
      ? hostOf(request.host, { hasPort, asked, scheme })
      : hostOf(redirect.authority, { hasPort, asked: scheme, scheme });
  if (findAuthorityFault(host) !== undefined) return undefined;
  const port =
    redirect.port === undefined || String(redirect.port) === DEFAULT_PORTS[scheme] ? "" : `:${redirect.port}`;
  return `${scheme}://${host}${port}${pathOf(redirect.uri, request.path)}`.replaceAll(/[^\x21-\x7e]/g, percentEncode);
}

interface PortRule {
  /** Another port will be written. */
  readonly hasPort: boolean;
  readonly asked: "http" | "https";
  readonly scheme: "http" | "https";
}

/** A host's port goes where another one is written, and where it was the default of a scheme that changes. */
function hostOf(host: string, { hasPort, asked, scheme }: PortRule): string {
  const [, name, port] = /^(.*?[^:]):(\d*)$/.exec(host) ?? [];
  if (name === undefined || (name.includes(":") && !name.endsWith("]"))) return host;
  return hasPort || (asked !== scheme && port === DEFAULT_PORTS[asked]) ? name : host;
}

function pathOf(uri: string | undefined, path: string): string {
  if (uri === undefined) return path.startsWith("/") ? path : "/";
  const mark = path.indexOf("?");
  return uri.includes("?") || mark < 0 ? uri : uri + path.slice(mark);
}

/** Characters stand for bytes here. */
function percentEncode(character: string): string {
  return `%${(character.charCodeAt(0) & 0xff).toString(16).toUpperCase().padStart(2, "0")}`;
}
