/** The rules of AuthorizationPolicies in words. */
import type {
  AuthorizationClause,
  AuthorizationCondition,
  AuthorizationRule,
} from "../../../mesh/policy/authorization/authorization.ts";
import { printable } from "../../text/palette.ts";

/** Values that a text shows of one list. The JSON form of a report has them all. */
const SHOWN_VALUES = 4;

/** The keys whose words are not those of the key itself. */
const WORDS: ReadonlyMap<string, string> = new Map([
  ["source.principal", "principal"],
  ["source.namespace", "namespace"],
  ["source.serviceAccount", "service account"],
  ["source.trustDomain", "trust domain"],
  ["source.ip", "IP"],
  ["remote.ip", "remote IP"],
  ["destination.ip", "destination IP"],
  ["destination.port", "port"],
  ["request.auth.principal", "request principal"],
  ["request.auth.audiences", "audience"],
  ["request.auth.presenter", "presenter"],
  ["request.host", "host"],
  ["request.method", "method"],
  ["request.path", "path"],
  ["connection.sni", "SNI"],
]);

/** `from namespace ns1 or ns2, or principal x; to method GET and path /a*; when claim role is admin`. */
export function formatRule({ from, to, when }: AuthorizationRule): string {
  const parts = [
    ...(from.length === 0 ? [] : [`from ${formatClauses(from)}`]),
    ...(to.length === 0 ? [] : [`to ${formatClauses(to)}`]),
    ...(when.length === 0 ? [] : [`when ${formatClause(when)}`]),
  ];
  return parts.length === 0 ? "everything" : parts.join("; ");
}

/** `namespace ns1 or ns2`, `namespace not ns3`, `namespace n* but not ns3`. */
export function formatCondition({ key, values, notValues }: AuthorizationCondition): string {
  const name = nameOfKey(key);
  if (notValues.length === 0) return `${name} ${formatValues(values)}`;
  const excluded = `not ${formatValues(notValues)}`;
  return values.length === 0 ? `${name} ${excluded}` : `${name} ${formatValues(values)} but ${excluded}`;
}

/** `request.headers[x-role]` is `header x-role`. */
export function nameOfKey(key: string): string {
  const header = /^request\.headers\[(.*)\]$/.exec(key)?.[1];
  if (header !== undefined) return printable(`header ${header}`);
  const claim = /^request\.auth\.claims\[(.*)\]$/.exec(key)?.[1];
  return printable(claim === undefined ? (WORDS.get(key) ?? key) : `claim ${claim.replaceAll("][", ".")}`);
}

/** `a, b or c`; of a long list the beginning. */
export function formatValues(values: readonly string[]): string {
  const shown = values.slice(0, SHOWN_VALUES).map(printable);
  const rest = values.length - shown.length;
  if (rest > 0) return `${shown.join(", ")} or one of ${rest} more`;
  const last = shown.pop() ?? "nothing";
  return shown.length === 0 ? last : `${shown.join(", ")} or ${last}`;
}

function formatClauses(clauses: readonly AuthorizationClause[]): string {
  return clauses.map(formatClause).join(", or ");
}

function formatClause(clause: AuthorizationClause): string {
  return clause.length === 0 ? "anything" : clause.map(formatCondition).join(" and ");
}
