import { lowerAscii } from "../conditions/attributes.ts";
import { isExactText } from "../conditions/match-text.ts";
import { isPathTemplate, literalHead } from "../conditions/path-template.ts";
import type { AuthorizationCondition } from "./authorization.ts";

/** What rules are found by: of a connection the first four, of a request the others. `head` is the beginning of a path. */
export type KeyKind = "principal" | "account" | "namespace" | "port" | "path" | "head" | "host";

export interface RuleKey {
  readonly kind: KeyKind;
  readonly value: string;
}

const CONNECTION_KINDS: ReadonlyMap<string, KeyKind> = new Map<string, KeyKind>([
  ["source.principal", "principal"],
  ["source.serviceAccount", "account"],
  ["source.namespace", "namespace"],
  ["destination.port", "port"],
]);

/**
 * The keys under which a condition can be found in an index: it matches only what has one of them. undefined: it also
 * matches others. Only for a condition that is usable.
 */
export function keysOfCondition({ key, values }: AuthorizationCondition): readonly RuleKey[] | undefined {
  if (values.length === 0) return undefined;
  const kind = CONNECTION_KINDS.get(key);
  if (kind !== undefined) {
    return values.some((value) => value.includes("*")) ? undefined : values.map((value) => ({ kind, value }));
  }
  if (key === "request.host") {
    return values.every(isExactText) ? values.map((value) => ({ kind: "host", value: lowerAscii(value) })) : undefined;
  }
  if (key !== "request.path" || values.some((value) => value.startsWith("*"))) return undefined;
  return values.map(keyOfPath);
}

function keyOfPath(value: string): RuleKey {
  if (isPathTemplate(value)) return { kind: "head", value: literalHead(value) };
  return value.endsWith("*") ? { kind: "head", value: value.slice(0, -1) } : { kind: "path", value };
}
