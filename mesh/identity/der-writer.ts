/**
 * Writes the DER that `mint-certificate-fixture.ts` needs. For tests and demos only: the certificate authority creates
 * the mesh's certificates.
 */

/** One element: tag, minimal length, content. */
export function formatDer(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([Buffer.from([tag]), formatLength(body.length), body]);
}

export function formatSequence(...content: readonly Uint8Array[]): Buffer {
  return formatDer(0x30, ...content);
}

/** A positive INTEGER from big-endian bytes. */
export function formatInteger(octets: Uint8Array): Buffer {
  const [first = 0] = octets;
  return formatDer(0x02, first >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), octets);
}

/** An OBJECT IDENTIFIER from dotted decimal. */
export function formatOid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return formatDer(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(formatArc)]));
}

/** UTCTime until 2049, GeneralizedTime after (RFC 5280, section 4.1.2.5). */
export function formatTime(time: Date): Buffer {
  const digits = time.toISOString().replace(/[-:T]|\.\d+/g, "");
  return time.getUTCFullYear() < 2050
    ? formatDer(0x17, Buffer.from(digits.slice(2)))
    : formatDer(0x18, Buffer.from(digits));
}

/** A UTCTime of a month that does not exist, which OpenSSL reads, and Node as an invalid date. */
export const INVALID_TIME = formatDer(0x17, Buffer.from("459901000000Z"));

function formatArc(arc: number): readonly number[] {
  const octets = [arc & 0x7f];
  for (let rest = arc >>> 7; rest > 0; rest >>>= 7) octets.unshift((rest & 0x7f) | 0x80);
  return octets;
}

function formatLength(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Buffer.from([0x80 | octets.length, ...octets]);
}
