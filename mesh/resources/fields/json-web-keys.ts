import { z } from "zod";

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);

/** The members that a verifier needs (RFC 7518 §6, RFC 8037 §2). */
const MEMBERS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ["RSA", z.object({ n: base64url, e: base64url })],
  ["EC", z.object({ crv: z.string(), x: base64url, y: base64url })],
  ["OKP", z.object({ crv: z.string(), x: base64url })],
]);

const keySetSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

/**
 * Why a text is not a JSON Web Key Set (RFC 7517 §5) with public keys; `undefined`: it is one. Keys of unknown types are
 * ignored, as the RFC advises. A secret key is refused: everybody who may read the policy could sign tokens with it.
 */
export function findKeySetFault(text: string): string | undefined {
  const parsed = keySetSchema.safeParse(parseJson(text));
  if (!parsed.success) {
    return 'must be a JSON Web Key Set, {"keys": [{"kty": …}, …]}: put a single key into `keys`, and convert a PEM certificate';
  }
  for (const [index, key] of parsed.data.keys.entries()) {
    const isSecret = key.kty === "oct" || "d" in key || "k" in key;
    if (isSecret) return `has a private or a secret key at keys[${index}]: give the public key alone`;
    const members = MEMBERS.get(key.kty)?.safeParse(key);
    if (members?.success !== false) continue;
    const missing = members.error.issues.map(({ path }) => path.join(".")).join(", ");
    return `has an incomplete ${key.kty} key at keys[${index}]: check ${missing}`;
  }
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
