import { findHeaderNameFault, foldHeaderName } from "../../resources/fields/header-rules.ts";
import type { TokenRule } from "./token-rule.ts";

/** A place in a request where a token may be. */
export type TokenLocation =
  | {
      readonly kind: "field";
      /** As returned by `foldHeaderName`. */
      readonly folded: string;
      /** In lower case; empty: the whole value is the token. */
      readonly prefix: string;
      /** Not if requests need the field for anything else, such as `host`. */
      readonly isRemovable: boolean;
    }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "cookie"; readonly name: string };

/** A location, and the rules that look there. */
interface SearchedLocation {
  readonly location: TokenLocation;
  readonly rules: readonly TokenRule[];
}

/** Istio's: `Authorization: Bearer TOKEN`, and the query parameter `access_token` (RFC 6750 §2.1 and §2.3). */
const DEFAULT_LOCATIONS: readonly TokenLocation[] = [
  { kind: "field", folded: "authorization", prefix: "bearer ", isRemovable: true },
  { kind: "parameter", name: "access_token" },
];

/** Each place where one of the rules looks for tokens, once. */
export function locationsOf(rules: readonly TokenRule[]): readonly SearchedLocation[] {
  const found = new Map<string, { readonly location: TokenLocation; readonly rules: TokenRule[] }>();
  for (const rule of rules) {
    for (const location of locationsOfRule(rule)) {
      const key = JSON.stringify(location);
      const searched = found.get(key) ?? { location, rules: [] };
      found.set(key, searched);
      if (!searched.rules.includes(rule)) searched.rules.push(rule);
    }
  }
  return [...found.values()];
}

function locationsOfRule({ fromHeaders, fromParams, fromCookies }: TokenRule): readonly TokenLocation[] {
  const named: readonly TokenLocation[] = [
    ...fromHeaders.map(({ name, prefix }): TokenLocation => {
      const isRemovable = findHeaderNameFault(name) === undefined;
      return { kind: "field", folded: foldHeaderName(name), prefix: prefix.toLowerCase(), isRemovable };
    }),
    ...fromParams.map((name): TokenLocation => ({ kind: "parameter", name })),
    ...fromCookies.map((name): TokenLocation => ({ kind: "cookie", name })),
  ];
  return named.length === 0 ? DEFAULT_LOCATIONS : named;
}

/** The part of a request in which tokens are searched. */
export interface SearchedRequest {
  /** With its query. */
  readonly path: string;
  readonly fields: SearchedFields;
}

/** The fields of a message, in their order. */
export interface SearchedFields {
  readonly count: number;
  /** In lower case. */
  nameAt(index: number): string;
  valueAt(index: number): string;
}

/**
 * The tokens at a location. All occurrences count, also in fields whose names differ only in what CGI-like servers do
 * not see: a token that only the application finds would not have been verified. The scheme is compared without case
 * (RFC 9110 §11.1), where Envoy compares it with case and so lets `bearer TOKEN` pass unverified.
 */
export function findTokens(location: TokenLocation, request: SearchedRequest): readonly string[] {
  switch (location.kind) {
    case "field":
      return findInFields(location, request.fields);
    case "parameter":
      return findInQuery(location.name, request.path);
    case "cookie":
      return cookiesOf(request.fields).flatMap((cookie) => (cookie.name === location.name ? [cookie.value] : []));
  }
}

function findInFields(
  { folded, prefix }: Extract<TokenLocation, { kind: "field" }>,
  fields: SearchedFields,
): readonly string[] {
  let found: string[] | undefined;
  for (let index = 0; index < fields.count; index += 1) {
    const name = fields.nameAt(index);
    if (name.length !== folded.length || foldHeaderName(name) !== folded) continue;
    const value = fields.valueAt(index);
    // Some servers split at any blank.
    if (value.slice(0, prefix.length).toLowerCase().replaceAll("\t", " ") !== prefix) continue;
    found ??= [];
    found.push(value.slice(prefix.length).trim());
  }
  return found ?? NONE;
}

/** Names and values are decoded as servers decode forms, so that `access%5Ftoken` is found, too. */
function findInQuery(name: string, path: string): readonly string[] {
  const start = path.indexOf("?");
  if (start === -1 || !mayContain(path, start, name)) return NONE;
  return new URLSearchParams(path.slice(start + 1)).getAll(name);
}

/** Only what is encoded can be read as something else than it is. */
function mayContain(path: string, start: number, name: string): boolean {
  return path.includes(name, start) || path.includes("%", start) || path.includes("+", start);
}

const NONE: readonly string[] = [];

interface Cookie {
  readonly name: string;
  readonly value: string;
  /** As it came. */
  readonly text: string;
}

/** RFC 6265 §4.2.1. Quotes around a value are not part of it, as many servers read them. */
function cookiesOf(fields: SearchedFields): readonly Cookie[] {
  const found: Cookie[] = [];
  for (let index = 0; index < fields.count; index += 1) {
    if (fields.nameAt(index) !== "cookie") continue;
    for (const text of fields.valueAt(index).split(";")) {
      const [name = "", ...value] = text.split("=");
      const unquoted = value
        .join("=")
        .trim()
        .replace(/^"(.*)"$/, "$1");
      found.push({ name: name.trim(), value: unquoted, text: text.trim() });
    }
  }
  return found;
}

/** The value of the field `cookie` without one cookie; `undefined`: none is left. */
export function withoutCookie(fields: SearchedFields, names: ReadonlySet<string>): string | undefined {
  const kept = cookiesOf(fields).filter(({ name }) => !names.has(name));
  return kept.length === 0 ? undefined : kept.map(({ text }) => text).join("; ");
}

/** A path without some query parameters; all others stay as they came. */
export function withoutParameters(path: string, names: ReadonlySet<string>): string {
  return editParameters(path, (pair, name) => (names.has(name) ? undefined : pair));
}

/** A path for logs: parameters that may be tokens have no value. */
export function redactParameters(path: string, names: ReadonlySet<string>): string {
  return editParameters(path, (pair, name) => (names.has(name) ? `${pair.split("=", 1)[0]}=[redacted]` : pair));
}

function editParameters(path: string, edit: (pair: string, name: string) => string | undefined): string {
  const start = path.indexOf("?");
  if (start === -1) return path;
  const pairs = path.slice(start + 1).split("&");
  const edited = pairs.map((pair) => edit(pair, [...new URLSearchParams(pair).keys()][0] ?? ""));
  if (edited.every((pair, index) => pair === pairs[index])) return path;
  const query = edited.filter((pair) => pair !== undefined).join("&");
  return query === "" ? path.slice(0, start) : `${path.slice(0, start)}?${query}`;
}
