/** The header of one TLS record (RFC 8446, section 5.1), with its body. */
export interface TlsRecord {
  readonly type: "change_cipher_spec" | "alert" | "handshake" | "application_data";
  readonly body: Buffer;
}

export type TlsReading =
  | { readonly kind: "tls"; readonly records: readonly TlsRecord[] }
  /** `offset` is where the bytes stop being TLS records. */
  | { readonly kind: "not_tls"; readonly offset: number };

const RECORD_TYPES = { 20: "change_cipher_spec", 21: "alert", 22: "handshake", 23: "application_data" } as const;
export const RECORD_HEADER_BYTES = 5;
/** 2^14 bytes of content and 256 of protection (RFC 8446, section 5.2); TLS 1.2 allows 2048 (RFC 5246, 6.2.3). */
const MAX_RECORD_BYTES = 2 ** 14 + 2048;
const HANDSHAKE_CLIENT_HELLO = 1;

/** Reads a stream as TLS records from its first byte on; the last one may be cut short by the end of the capture. */
export function parseTlsRecords(stream: Buffer): TlsReading {
  const records: TlsRecord[] = [];
  let offset = 0;
  while (offset + RECORD_HEADER_BYTES <= stream.length) {
    const type = recordType(stream[offset]);
    const length = stream.readUInt16BE(offset + 3);
    const isVersion = stream[offset + 1] === 3 && (stream[offset + 2] ?? 9) <= 3;
    if (type === undefined || !isVersion || length > MAX_RECORD_BYTES) return { kind: "not_tls", offset };
    records.push({ type, body: stream.subarray(offset + RECORD_HEADER_BYTES, offset + RECORD_HEADER_BYTES + length) });
    offset += RECORD_HEADER_BYTES + length;
  }
  return { kind: "tls", records };
}

/** The one message that TLS 1.3 sends in plaintext and that names the server (SNI). */
export function isClientHello(record: TlsRecord): boolean {
  return record.type === "handshake" && record.body[0] === HANDSHAKE_CLIENT_HELLO;
}

function recordType(byte: number | undefined): TlsRecord["type"] | undefined {
  switch (byte) {
    case 20:
    case 21:
    case 22:
    case 23:
      return RECORD_TYPES[byte];
    default:
      return undefined;
  }
}
