/**
 * What the values of an AuthorizationPolicy may be. Each function returns what is wrong with a value, and the fix;
 * `undefined`: nothing.
 */
import { z } from "zod";
import { DNS_LABEL, DNS_SUBDOMAIN } from "./metadata.ts";
import { quote } from "./quote.ts";

/** Istio's limits of `serviceAccounts`. */
export const MAX_SERVICE_ACCOUNTS = 16;
const MAX_SERVICE_ACCOUNT_LENGTH = 320;

/** An address, or a block in CIDR notation. */
export function findIpBlockFault(value: string): string | undefined {
  const isBlock = [z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()].some((schema) => schema.safeParse(value).success);
  return isBlock ? undefined : `must be an IP address or a block such as 10.0.0.0/8, is ${quote(value)}`;
}

/** A container port as text. There are no ranges and no wildcards. */
export function findPortFault(value: string): string | undefined {
  const isPort = /^(?:0|[1-9]\d{0,4})$/.test(value) && Number(value) <= 65535;
  return isPort ? undefined : `must be one port from 0 to 65535, without ranges or \`*\`, is ${quote(value)}`;
}

/** `NAMESPACE/NAME`, or `NAME` in the policy's own namespace. */
export function findServiceAccountFault(value: string): string | undefined {
  if (value.length > MAX_SERVICE_ACCOUNT_LENGTH) {
    return `must have at most ${MAX_SERVICE_ACCOUNT_LENGTH} characters, has ${value.length}`;
  }
  const [name = "", namespace, ...rest] = value.split("/").reverse();
  const isNamed = DNS_SUBDOMAIN.test(name) && (namespace === undefined || DNS_LABEL.test(namespace));
  if (isNamed && rest.length === 0) return undefined;
  return `must be NAMESPACE/SERVICE_ACCOUNT, or a service account of the policy's namespace, without \`*\`, is ${quote(value)}`;
}

/** A trust domain, of which a `*` at one end stands for the rest. */
export function findTrustDomainFault(value: string): string | undefined {
  const isUsable = !value.includes("/") && /^(?:\*?[^*]+|[^*]+\*|\*)$/.test(value);
  return isUsable
    ? undefined
    : `must be a trust domain without \`/\`, with one \`*\` at most, at an end, is ${quote(value)}`;
}

/**
 * A path: exact, with a `*` at one end, or a template. In a template `{*}` is one segment and `{**}` is the rest; it must
 * be the last operator.
 */
export function findPathPatternFault(value: string): string | undefined {
  const isTemplate = /\{\*\*?\}/.test(value);
  let isComplete = false;
  for (const segment of value.replaceAll(/^\/+|\/+$/g, "").split("/")) {
    if (segment === "{*}" || segment === "{**}") {
      if (isComplete) return `has ${segment} after {**}, which must be the last operator, is ${quote(value)}`;
      isComplete = segment === "{**}";
      continue;
    }
    if (/[{}]/.test(segment)) {
      return `must use { and } only in the segments {*} and {**}, is ${quote(value)}`;
    }
    if (isTemplate && !TEMPLATE_LITERAL.test(segment)) {
      return `has the segment ${quote(segment)}, which cannot be in a template with {*} or {**}: its segments are not empty, have no \`*\`, and percent-encode what is not allowed in a path; the path is ${quote(value)}`;
    }
  }
  return undefined;
}

/** RFC 3986's pchar without `*`. */
const TEMPLATE_LITERAL = /^[\w.~%!$&'()+,;:@=-]+$/;
