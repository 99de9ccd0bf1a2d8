import { decodeBase64Url, isRecord, parseJsonObject } from "./encoded-json.ts";
import { keyFormOf } from "./signature-algorithm.ts";

/** A public key of an issuer (RFC 7517 §4): only the members that verification reads. */
export interface PublicKey {
  readonly kty: "RSA" | "EC" | "OKP";
  readonly kid?: string;
  readonly alg?: string;
  readonly n?: string;
  readonly e?: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
}

/** More keys than any issuer has. Each key costs memory in every proxy that the rule applies to. */
const MAX_KEYS = 100;
/** Bits of an RSA modulus: less is weak (RFC 7518 §3.3), more makes each verification expensive. */
const RSA_BITS = { min: 2048, max: 8192 };
/** Bytes of an RSA exponent; it is 65537 in practice, and a long one is expensive. */
const MAX_EXPONENT_BYTES = 4;
const CURVE_BYTES: ReadonlyMap<string, number> = new Map([
  ["P-256", 32],
  ["P-384", 48],
  ["P-521", 66],
  ["Ed25519", 32],
]);

/**
 * The usable public keys of a JSON Web Key Set (RFC 7517 §5). Secrets, keys for encryption and keys of unknown or weak
 * forms are left out, as RFC 7517 §5 recommends for unknown ones. `undefined`: not a key set.
 */
export function parseKeySet(text: string): readonly PublicKey[] | undefined {
  const parsed = parseJsonObject(text);
  if (parsed === undefined || !Array.isArray(parsed["keys"])) return undefined;
  const keys: readonly unknown[] = parsed["keys"];
  return keys.slice(0, MAX_KEYS).flatMap((key) => publicKeyFrom(key) ?? []);
}

/** A key set as text. What is not a member of `PublicKey` is not in it: a private part that was published stays here. */
export function formatKeySet(keys: readonly PublicKey[]): string {
  return JSON.stringify({ keys });
}

function publicKeyFrom(value: unknown): PublicKey | undefined {
  if (!isRecord(value) || !isForSignatures(value)) return undefined;
  const { kid, alg } = value;
  if (alg !== undefined && (typeof alg !== "string" || keyFormOf(alg)?.kty !== value["kty"])) return undefined;
  const material = materialOf(value);
  if (material === undefined) return undefined;
  return { ...material, ...(typeof kid === "string" && { kid }), ...(alg !== undefined && { alg }) };
}

/** RFC 7517 §4.2 and §4.3: both members are optional. */
function isForSignatures({ use, key_ops }: Readonly<Record<string, unknown>>): boolean {
  if (use !== undefined && use !== "sig") return false;
  return key_ops === undefined || (Array.isArray(key_ops) && key_ops.includes("verify"));
}

function materialOf({ kty, n, e, crv, x, y }: Readonly<Record<string, unknown>>): PublicKey | undefined {
  switch (kty) {
    case "RSA":
      return isModulus(n) && isExponent(e) ? { kty, n, e } : undefined;
    case "EC":
      return isCurve(crv) && isCoordinate(crv, x) && isCoordinate(crv, y) ? { kty, crv, x, y } : undefined;
    case "OKP":
      return crv === "Ed25519" && isCoordinate(crv, x) ? { kty, crv, x } : undefined;
    default:
      return undefined;
  }
}

function isModulus(value: unknown): value is string {
  const bytes = typeof value === "string" ? decodeBase64Url(value) : undefined;
  const first = bytes?.find((byte) => byte !== 0);
  if (bytes === undefined || first === undefined) return false;
  const bits = (bytes.length - bytes.indexOf(first)) * 8 - (Math.clz32(first) - 24);
  return bits >= RSA_BITS.min && bits <= RSA_BITS.max;
}

function isExponent(value: unknown): value is string {
  const bytes = typeof value === "string" ? decodeBase64Url(value) : undefined;
  return bytes !== undefined && bytes.length > 0 && bytes.length <= MAX_EXPONENT_BYTES;
}

function isCurve(value: unknown): value is string {
  return typeof value === "string" && value !== "Ed25519" && CURVE_BYTES.has(value);
}

function isCoordinate(crv: string, value: unknown): value is string {
  return typeof value === "string" && decodeBase64Url(value)?.length === CURVE_BYTES.get(crv);
}
