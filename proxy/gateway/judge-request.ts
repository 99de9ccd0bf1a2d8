import { foldHeaderName } from "../../mesh/resources/fields/header-rules.ts";
import type { RefusalReason } from "./gateway-answer.ts";

/** A request's head as the parser read it. */
export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** `1.1`. */
  readonly version: string;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
}

export type HeaderField = readonly [name: string, value: string];

/** A request that two parsers cannot read differently. */
export interface AcceptedRequest {
  readonly kind: "accepted";
  readonly method: string;
  /** The one Host, as it came. */
  readonly host: string;
  /** The target in origin form, to be forwarded as it is. */
  readonly path: string;
  readonly framing: Framing;
  readonly upgrade: "websocket" | undefined;
  /** Names in lower case. */
  readonly headers: readonly HeaderField[];
}

export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" };

export interface RefusedRequest {
  readonly kind: "refused";
  readonly reason: RefusalReason;
}

export const MAX_HEADERS = 100;

/** `reg-name` as DNS allows it, an IPv4 or a bracketed IPv6 address, and a port (RFC 9112, section 3.2). */
const AUTHORITY = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,254})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i;
const ABSOLUTE_FORM = /^http:\/\/([^/?#]*)(.*)$/is;
const VISIBLE_ASCII = /^[\x21-\x7e]+$/;
/** Fields that a client may not have removed by naming them in Connection (RFC 9110, section 7.6.1). */
const NOT_HOP_BY_HOP =
  /^(?:host|content-.*|transfer-encoding|authorization|cookie|forwarded|x-forwarded-.*|x-envoy-.*|x-request-id|x-real-ip)$/;

const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding", "host", "connection", "upgrade"]);

/**
 * Refuses what llhttp lets through although another parser may read it in another way, so that gateway and upstream
 * never disagree on where a request ends or whom it is for. Each rule names what it closes.
 */
export function judgeRequest(head: RequestHead): AcceptedRequest | RefusedRequest {
  // `HTTP/2.0` in a request line passes llhttp; only these two versions have the framing judged below.
  if (head.version !== "1.1" && head.version !== "1.0") return refused("http_version");
  const headers = pairHeaders(head.rawHeaders);
  if (headers.length > MAX_HEADERS) return refused("too_many_headers");
  if (headers.some(([name]) => isDisguised(name))) return refused("header_name");
  const hosts = valuesOf(headers, "host");
  const [host] = hosts;
  if (host === undefined || hosts.length > 1 || !AUTHORITY.test(host)) return refused("host");
  const framing = judgeFraming(head.version, headers);
  if (framing === undefined) return refused("framing");
  const options = connectionOptions(headers);
  if (options.some((option) => NOT_HOP_BY_HOP.test(option))) return refused("connection_header");
  const path = originForm(head.target, host);
  if (path === undefined) return refused("target");
  const isUpgrade = options.includes("upgrade") && isWebSocket(headers);
  if (isUpgrade && !(head.method === "GET" && head.version === "1.1" && framing.kind === "none")) {
    return refused("upgrade");
  }
  const upgrade = isUpgrade ? "websocket" : undefined;
  return { kind: "accepted", method: head.method, host, path, framing, upgrade, headers };
}

/** The parser hands such requests over at once, and everything else as plain requests with Upgrade to be dropped. */
export function isWebSocketUpgrade(rawHeaders: readonly string[]): boolean {
  return isWebSocket(pairHeaders(rawHeaders));
}

function isWebSocket(headers: readonly HeaderField[]): boolean {
  const upgrades = valuesOf(headers, "upgrade");
  return upgrades.length === 1 && upgrades[0]?.toLowerCase() === "websocket";
}

/**
 * RFC 9112, section 6: one Transfer-Encoding that is `chunked` and nothing else, never in HTTP/1.0; or one
 * Content-Length of digits; or neither. Both together, and every list, are how requests are smuggled.
 */
function judgeFraming(version: string, headers: readonly HeaderField[]): Framing | undefined {
  const encodings = valuesOf(headers, "transfer-encoding");
  const lengths = valuesOf(headers, "content-length");
  if (encodings.length + lengths.length > 1) return undefined;
  const [encoding] = encodings;
  if (encoding !== undefined) {
    return version === "1.1" && encoding.toLowerCase() === "chunked" ? { kind: "chunked" } : undefined;
  }
  const [length] = lengths;
  if (length === undefined) return { kind: "none" };
  const bytes = /^\d{1,16}$/.test(length) ? Number(length) : Number.NaN;
  return Number.isSafeInteger(bytes) ? { kind: "length", bytes } : undefined;
}

/**
 * The target as the upstream gets it. Absolute form must agree with Host (RFC 9112, section 3.2.2, lets it win; routing
 * by one and forwarding the other is how hosts are confused). A fragment is never sent by a client (CVE-2021-39156).
 */
function originForm(target: string, host: string): string | undefined {
  if (!VISIBLE_ASCII.test(target) || target.includes("#")) return undefined;
  if (target.startsWith("/")) return target;
  const [, authority, rest = ""] = ABSOLUTE_FORM.exec(target) ?? [];
  if (authority === undefined || authority.toLowerCase() !== host.toLowerCase()) return undefined;
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** What Connection names, in lower case. */
export function connectionOptions(headers: readonly HeaderField[]): readonly string[] {
  return valuesOf(headers, "connection").flatMap((value) =>
    value
      .toLowerCase()
      .split(",")
      .map((option) => option.trim())
      .filter((option) => option !== ""),
  );
}

/** Names that some servers take for another: `content_length` for framing, `__proto__` for an object's prototype. */
function isDisguised(name: string): boolean {
  const folded = foldHeaderName(name);
  return name === "__proto__" || (folded !== name && FRAMING.has(folded));
}

function pairHeaders(rawHeaders: readonly string[]): readonly HeaderField[] {
  const headers: HeaderField[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    headers.push([(rawHeaders[index] ?? "").toLowerCase(), rawHeaders[index + 1] ?? ""]);
  }
  return headers;
}

function valuesOf(headers: readonly HeaderField[], name: string): readonly string[] {
  return headers.filter(([candidate]) => candidate === name).map(([, value]) => value);
}

function refused(reason: RefusalReason): RefusedRequest {
  return { kind: "refused", reason };
}
