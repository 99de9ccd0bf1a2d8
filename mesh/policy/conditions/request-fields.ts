import type { TokenAttributes } from "../authorization/authorization.ts";
import { byteTextFrom } from "../byte-text.ts";
import { lowerAscii, type RequestTest } from "./attributes.ts";
import { compileTexts, type TextTest } from "./match-text.ts";
import { compilePathTemplate, isPathTemplate } from "./path-template.ts";
import { compileRequestPrincipals } from "./request-principals.ts";

const HEADER_KEY = /^request\.headers\[([^[\]]+)\]$/;
const CLAIM_KEY = /^request\.auth\.claims((?:\[[^[\]]+\])+)$/;

/**
 * Whether one of some values matches what a request has under a key. What it lacks (a header, a token) matches nothing.
 * undefined: the key is unknown, or one of the values has no meaning for it.
 */
export function compileRequestField(key: string, values: readonly string[]): RequestTest | undefined {
  switch (key) {
    case "request.host":
      return compileHosts(values);
    case "request.method":
      return compileLines(":method", values);
    case "request.path":
      return compilePaths(values);
    case "request.auth.principal":
      return compileRequestPrincipals(values);
    case "request.auth.audiences":
      return compileClaims(["aud"], values);
    case "request.auth.presenter":
      return compileClaims(["azp"], values);
    default:
      return compileNamedField(key, values);
  }
}

function compileNamedField(key: string, values: readonly string[]): RequestTest | undefined {
  const header = HEADER_KEY.exec(key)?.[1];
  if (header !== undefined) return compileLines(lowerAscii(header), values);
  const claims = CLAIM_KEY.exec(key)?.[1];
  return claims === undefined ? undefined : compileClaims(claims.slice(1, -1).split("]["), values);
}

/** Case is ignored, and the port is part of the value: `a.com` does not match `a.com:8080` (ISTIO-SECURITY-2021-008). */
function compileHosts(values: readonly string[]): RequestTest {
  const matches = compileTexts(values.map(lowerAscii));
  return ({ host }) => matches(host);
}

function compilePaths(values: readonly string[]): RequestTest | undefined {
  const templates = values.filter(isPathTemplate).map(compilePathTemplate);
  const usable = templates.filter((template) => template !== undefined);
  if (usable.length < templates.length) return undefined;
  const matches = compileTexts(values.filter((value) => !isPathTemplate(value)));
  if (usable.length === 0) return ({ path }) => matches(path);
  return ({ path }) => matches(path) || usable.some((template) => template(path));
}

/**
 * One line of the field is enough, and a line is never split nor joined with another (CVE-2026-26308). `*` means that
 * there is one, even if it is empty.
 */
function compileLines(name: string, values: readonly string[]): RequestTest | undefined {
  const matches = compileTexts(values.map(byteTextFrom), () => true);
  switch (name) {
    case ":method":
      return ({ method }) => matches(method);
    case ":path":
      return ({ pathWithQuery }) => matches(pathWithQuery);
    // Envoy has one value for both names, in HTTP/1.1 and in HTTP/2.
    case ":authority":
    case "host":
      return ({ authority }) => authority !== "" && matches(authority);
    default:
      return name.startsWith(":") ? undefined : (request) => request.headerLines(name).some(matches);
  }
}

/** A claim is a text or a list of which one text must match; claims inside of claims are found by their path. */
function compileClaims(path: readonly string[], values: readonly string[]): RequestTest {
  const matches = compileTexts(values);
  return ({ token }) => token !== undefined && matchesClaim(findClaim(token, path), matches);
}

function findClaim({ claims }: TokenAttributes, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, name)?.value;
  }
  return value;
}

function matchesClaim(value: unknown, matches: TextTest): boolean {
  if (typeof value === "string") return matches(value);
  return Array.isArray(value) && value.some((member) => typeof member === "string" && matches(member));
}
