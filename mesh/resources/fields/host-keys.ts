/** The keys under which rules for hosts are indexed. */
import { isShortHost, normalizeHost } from "./normalize-host.ts";
import { formatResourceKey } from "./resource-names.ts";

/** The key of policies that may apply to anything. */
export const UNREADABLE = "";

/** The key of all hosts with a `*`: they are few, and may match any host. */
const WILDCARD = "*";

/** A slash cannot be part of a host, so keys of short names are different from all others. */
export function keyOfHost(host: string, namespace: string): string {
  if (host.includes("*")) return WILDCARD;
  return isShortHost(host) ? formatResourceKey(namespace, normalizeHost(host)) : normalizeHost(host);
}

/** The keys under which rules are that may match a host: its own, that of its short name, and that of patterns. */
export function hostKeysOf(host: string, clusterDomain: string): readonly string[] {
  const normalized = normalizeHost(host);
  const suffix = `.svc.${clusterDomain}`;
  const [name = "", namespace = "", ...rest] = normalized.endsWith(suffix)
    ? normalized.slice(0, -suffix.length).split(".")
    : [];
  const isService = namespace !== "" && rest.length === 0;
  return [...new Set([normalized, WILDCARD, ...(isService ? [formatResourceKey(namespace, name)] : [])])];
}
