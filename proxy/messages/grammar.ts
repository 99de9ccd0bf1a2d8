import { TARGET_BYTES, TOKEN_BYTES, VALUE_BYTES } from "./byte-tables.ts";

/** Checks of a message's parts as text (latin1), for heads that are written anew and for codecs that read text. */

/** A method, or a field name in any case (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  return text !== "" && isOf(text, (code) => TOKEN_BYTES[code] ?? 0);
}

/** No control character, and no blank at either end (RFC 9110 §5.5). */
export function isFieldValue(text: string): boolean {
  if (text === "") return true;
  return isOf(text, (code) => VALUE_BYTES[code] ?? 0) && !isBlank(text, 0) && !isBlank(text, text.length - 1);
}

/** `/...` in visible ASCII without `#`; `*` only for OPTIONS (RFC 9112 §3.2). */
export function isRequestPath(text: string, method: string): boolean {
  if (text === "*") return method === "OPTIONS";
  return text.startsWith("/") && isOf(text, (code) => TARGET_BYTES[code] ?? 0);
}

/**
 * Methods are case-sensitive (RFC 9110 §9.1) and any token is a method. But some servers ignore case (Django): they would
 * execute `delete` as the DELETE that a policy forbids, and send no content in response to `head`. So a method of
 * RFC 9110 or RFC 5789 is refused in every other spelling. PRI is not a method: HTTP/2 begins with it (RFC 9113 §11.6).
 */
export function isMistakableMethod(method: string): boolean {
  if (method === "GET" || method === "POST" || method === "HEAD") return false;
  if (/^(?:connect|pri)$/i.test(method)) return true;
  return /^(?:get|head|post|put|delete|options|trace|patch)$/i.test(method) && method !== method.toUpperCase();
}

function isOf(text: string, classify: (code: number) => number): boolean {
  for (let at = 0; at < text.length; at += 1) if (classify(text.charCodeAt(at)) === 0) return false;
  return true;
}

function isBlank(text: string, at: number): boolean {
  const character = text.charAt(at);
  return character === " " || character === "\t";
}
