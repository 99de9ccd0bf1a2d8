import { decodeBase64Url, parseJsonObject } from "./encoded-json.ts";
import { type KeyForm, keyFormOf } from "./signature-algorithm.ts";
import type { TokenRefusal } from "./token-refusal.ts";

/** A JSON Web Token in compact form (RFC 7519, RFC 7515 §7.1) whose signature has not been verified. */
export interface UnverifiedToken {
  /** As it came. */
  readonly text: string;
  readonly algorithm: string;
  readonly keyForm: KeyForm;
  /** The header's `kid`; `undefined`: none. */
  readonly keyId: string | undefined;
  /** The payload as it came, base64url. */
  readonly payload: string;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Empty: none. */
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** Seconds since 1970; `undefined`: none. */
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
}

export type ParsedToken =
  | { readonly kind: "token"; readonly token: UnverifiedToken }
  | { readonly kind: "refused"; readonly refusal: TokenRefusal };

/** Characters. Tokens with many groups have about 8 KB; what is longer costs the proxy more than it is worth. */
export const MAX_TOKEN_LENGTH = 16_384;

/**
 * Reads a token without trusting it. It is refused where two readers could understand it differently, and for each
 * critical extension, since none is supported (RFC 7515 §4.1.11). Keys and addresses of keys that it contains itself
 * (`jwk`, `jku`, `x5c`, `x5u`) are ignored.
 */
export function parseToken(text: string): ParsedToken {
  if (text.length > MAX_TOKEN_LENGTH) return refuse("too_long");
  const [header, payload, signature, ...rest] = text.split(".");
  if (!header || payload === undefined || signature === undefined || rest.length > 0) return refuse("bad_format");
  const protectedHeader = readPart(header, "header_base64", "header_json");
  if (typeof protectedHeader === "string") return refuse(protectedHeader);
  const signing = readHeader(protectedHeader);
  if (typeof signing === "string") return refuse(signing);
  const claims = readPart(payload, "payload_base64", "payload_json");
  if (typeof claims === "string") return refuse(claims);
  if (decodeBase64Url(signature) === undefined) return refuse("signature_base64");
  const registered = readClaims(claims);
  if (typeof registered === "string") return refuse(registered);
  return { kind: "token", token: { text, payload, claims, ...signing, ...registered } };
}

function refuse(refusal: TokenRefusal): ParsedToken {
  return { kind: "refused", refusal };
}

function readPart(
  part: string,
  badBase64: TokenRefusal,
  badJson: TokenRefusal,
): Readonly<Record<string, unknown>> | TokenRefusal {
  const bytes = decodeBase64Url(part);
  return bytes === undefined ? badBase64 : (parseJsonObject(bytes) ?? badJson);
}

function readHeader({
  alg,
  kid,
  crit,
}: Readonly<Record<string, unknown>>): Pick<UnverifiedToken, "algorithm" | "keyForm" | "keyId"> | TokenRefusal {
  if (typeof alg !== "string") return "header_alg";
  const keyForm = keyFormOf(alg);
  if (keyForm === undefined) return "unsupported_alg";
  if (crit !== undefined) return "header_crit";
  if (kid !== undefined && typeof kid !== "string") return "header_kid";
  return { algorithm: alg, keyForm, keyId: kid };
}

type RegisteredClaims = Pick<UnverifiedToken, "issuer" | "subject" | "audiences" | "expiresAt" | "notBefore">;

/** The claims of RFC 7519 §4.1 that are checked; each is optional there. */
function readClaims(claims: Readonly<Record<string, unknown>>): RegisteredClaims | TokenRefusal {
  const { iss = "", sub = "", aud = [], exp, nbf } = claims;
  if (typeof iss !== "string") return "payload_iss";
  if (typeof sub !== "string") return "payload_sub";
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.every((audience) => typeof audience === "string")) return "payload_aud";
  if (!isDate(exp)) return "payload_exp";
  if (!isDate(nbf)) return "payload_nbf";
  return { issuer: iss, subject: sub, audiences, expiresAt: exp, notBefore: nbf };
}

/** NumericDate may have a fraction (RFC 7519 §2). */
function isDate(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === "number" && Number.isFinite(value) && value >= 0);
}
