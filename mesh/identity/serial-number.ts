/**
 * A serial number in the one form in which serial numbers are compared: hexadecimal, upper case, without leading zeros,
 * `-` before a negative one (RFC 5280 forbids those, but authorities have issued them). Node writes `0A` for what others
 * write as `A` or `0a`: compared as they come, a revoked certificate would be accepted. Other text is returned unchanged.
 */
export function normalizeSerialNumber(text: string): string {
  const [, sign = "", digits] = /^(-?)0*([0-9A-Fa-f]+)$/.exec(text) ?? [];
  return digits === undefined ? text : `${sign}${digits.toUpperCase()}`;
}
