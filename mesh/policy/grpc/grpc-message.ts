/** The field `grpc-message` (gRPC over HTTP2, "Status-Message"). */

/** Space to `~`, without the percent sign. */
const MUST_ENCODE = /[^ -$&-~]/;

/** Percent-encodes what is not visible ASCII or a space, as UTF-8: no text can break a field or begin another one. */
export function formatGrpcMessage(text: string): string {
  if (!MUST_ENCODE.test(text)) return text;
  let encoded = "";
  for (const byte of Buffer.from(text, "utf8")) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return encoded;
}

/**
 * The text of a field. Never fails, as the protocol demands: a malformed escape stays as it is, and bytes that are not
 * UTF-8 become U+FFFD. The text may have line breaks, so it is for logs that escape them.
 */
export function parseGrpcMessage(value: string): string {
  if (!value.includes("%")) return value;
  const bytes = value.replaceAll(/%([\dA-Fa-f]{2})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
