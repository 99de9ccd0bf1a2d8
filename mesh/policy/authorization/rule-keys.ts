import { type ConnectionFacts, lowerAscii, type RequestFacts } from "../conditions/attributes.ts";
import { isExactText } from "../conditions/match-text.ts";
import { isPathTemplate, literalHead } from "../conditions/path-template.ts";
import type { AuthorizationCondition } from "./authorization.ts";

const CONNECTION_PREFIXES: ReadonlyMap<string, string> = new Map([
  ["source.principal", "principal "],
  ["source.serviceAccount", "account "],
  ["source.namespace", "namespace "],
  ["destination.port", "port "],
]);
const PATH = "path ";
const HOST = "host ";
const HEAD = "head ";

/**
 * The keys under which a condition can be found in an index: it matches only what has one of them. undefined: it also
 * matches others. Only for a condition that is usable.
 */
export function keysOfCondition({ key, values }: AuthorizationCondition): readonly string[] | undefined {
  if (values.length === 0) return undefined;
  const prefix = CONNECTION_PREFIXES.get(key);
  if (prefix !== undefined) {
    return values.some((value) => value.includes("*")) ? undefined : values.map((value) => prefix + value);
  }
  if (key === "request.host") {
    return values.every(isExactText) ? values.map((value) => HOST + lowerAscii(value)) : undefined;
  }
  if (key !== "request.path" || values.some((value) => value.startsWith("*"))) return undefined;
  return values.map(keyOfPath);
}

function keyOfPath(value: string): string {
  if (isPathTemplate(value)) return HEAD + literalHead(value);
  return value.endsWith("*") ? HEAD + value.slice(0, -1) : PATH + value;
}

export function keysOfConnection({ peer, port }: ConnectionFacts): readonly string[] {
  const keys = [`port ${port}`];
  if (peer !== undefined) {
    keys.push(`principal ${peer.principal}`, `account ${peer.serviceAccount}`, `namespace ${peer.namespace}`);
  }
  return keys;
}

/** The length of the head of a path in a key; undefined: the key is of another kind. */
export function headLengthOf(key: string): number | undefined {
  return key.startsWith(HEAD) ? key.length - HEAD.length : undefined;
}

/** @param headLengths the lengths of the path's heads that are in the index */
export function keysOfRequest({ path, host }: RequestFacts, headLengths: Iterable<number>): readonly string[] {
  const keys = [PATH + path, HOST + host];
  for (const length of headLengths) if (length <= path.length) keys.push(HEAD + path.slice(0, length));
  return keys;
}
