/** The number of characters of a whole number of bytes modulo 4 is never 1. */
const BASE64URL = /^[A-Za-z0-9_-]*$/;

/** Bytes from base64url without padding (RFC 7515 §2). `undefined`: another character, or an impossible length. */
export function decodeBase64Url(text: string): Buffer | undefined {
  return BASE64URL.test(text) && text.length % 4 !== 1 ? Buffer.from(text, "base64url") : undefined;
}

/** A JSON object; `undefined`: other JSON, or none. @param text its bytes must be UTF-8. */
export function parseJsonObject(text: string | Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(typeof text === "string" ? text : UTF8.decode(text));
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a value is an object of JSON, and not a list. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });
