import { findHeaderNameFault, foldHeaderName } from "../../resources/fields/header-rules.ts";
import { isRecord } from "./encoded-json.ts";
import type { UnverifiedToken } from "./parse-token.ts";
import type { TokenRule } from "./token-rule.ts";

/** A field that the application receives about a verified token. */
export interface OutputField {
  readonly name: string;
  readonly value: string;
}

/** Bytes of a claim in a field. Longer ones are left out: the upstream would refuse the whole request. */
const MAX_CLAIM_BYTES = 8192;

/**
 * The fields that only this proxy may set, as returned by `foldHeaderName`: a client's own are removed from every
 * request, whether it has a token or not. One that routes may not set either, such as `content-length`, is left alone.
 */
export function outputNames(rules: readonly TokenRule[]): ReadonlySet<string> {
  return new Set(
    rules
      .flatMap(({ outputPayloadToHeader, outputClaimToHeaders }) => [
        ...(outputPayloadToHeader === undefined ? [] : [outputPayloadToHeader]),
        ...outputClaimToHeaders.map(({ header }) => header),
      ])
      .filter((name) => findHeaderNameFault(name) === undefined)
      .map(foldHeaderName),
  );
}

/**
 * The fields with the payload and with single claims of a verified token. A claim that is absent or neither text, number
 * nor boolean has none, as Istio documents it; neither has a text with control characters, with which a user could add
 * fields by the own name, nor a field whose name routes may not set either.
 */
export function outputFields({ payload, claims }: UnverifiedToken, rule: TokenRule): readonly OutputField[] {
  const { outputPayloadToHeader, outputClaimToHeaders } = rule;
  const fields = outputClaimToHeaders.flatMap(({ header, claim }): readonly OutputField[] => {
    const value = formatClaim(readClaim(claims, claim));
    return value === undefined ? [] : [{ name: header, value }];
  });
  const all =
    outputPayloadToHeader === undefined ? fields : [{ name: outputPayloadToHeader, value: payload }, ...fields];
  return all.filter(({ name }) => findHeaderNameFault(name) === undefined);
}

/** The claim of this name, else the one at the end of a path of nested claims: `address.country`. */
function readClaim(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const name of path.split(".")) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

/** Fields contain one character a byte: UTF-8 as it is sent. */
function formatClaim(claim: unknown): string | undefined {
  if (typeof claim === "boolean") return String(claim);
  if (typeof claim === "number") return Number.isFinite(claim) ? String(claim) : undefined;
  if (typeof claim !== "string" || claim === "") return undefined;
  const bytes = Buffer.from(claim, "utf8");
  const isSound = bytes.length <= MAX_CLAIM_BYTES && bytes.every((byte) => byte >= SPACE && byte !== DELETE);
  // Not `trim`, which would take the last byte of `à` for a blank.
  const value = bytes.toString("latin1").replaceAll(/^ +| +$/g, "");
  return isSound && value !== "" ? value : undefined;
}

const SPACE = 0x20;
const DELETE = 0x7f;
