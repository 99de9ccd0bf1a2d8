import { z } from "zod";

/**
 * A valid address of an endpoint. Loopback, link-local and similar addresses are refused, as by the API server
 * (ValidateNonSpecialIP): a sidecar that dialled 127.0.0.1 for a Service would reach its own pod's ports.
 */
export const endpointAddressSchema = z
  .string()
  .refine((text) => isIpv4(text) || isIpv6(text), "must be an IP address")
  .refine((text) => !isSpecialAddress(text), "must not be an unspecified, loopback, link-local or multicast address");

/** The object behind an endpoint, if the slice refers to one. */
export const objectReferenceSchema = z.looseObject({
  kind: z.string().optional(),
  name: z.string().optional(),
  namespace: z.string().optional(),
  uid: z.string().optional(),
});

export function isIpv4(text: string): boolean {
  return z.ipv4().safeParse(text).success;
}

export function isIpv6(text: string): boolean {
  return z.ipv6().safeParse(text).success;
}

function isSpecialAddress(ip: string): boolean {
  if (isIpv4(ip)) return SPECIAL_IPV4.test(ip);
  if (!isIpv6(ip)) return false;
  const canonical = new URL(`http://[${ip}]/`).hostname.slice(1, -1);
  const [, high, low] = /^::(?:ffff:)?([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical) ?? [];
  if (high !== undefined && low !== undefined) return SPECIAL_IPV4.test(formatIpv4(high, low));
  return SPECIAL_IPV6.test(canonical);
}

const SPECIAL_IPV4 = /^(?:0\.|127\.|169\.254\.|22[4-9]\.|23\d\.|255\.255\.255\.255$)/;
/** In canonical form: unspecified, loopback, link-local, multicast. */
const SPECIAL_IPV6 = /^(?:::1?$|fe[89ab]|ff)/;

/** The IPv4 address in the last two groups of an IPv6 address. */
function formatIpv4(high: string, low: string): string {
  return [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 0xff])
    .join(".");
}
