import type { CryptoKey } from "jose";
import type { PublicKey } from "../../../mesh/policy/request-authentication/key-set.ts";
import type { UnverifiedToken } from "../../../mesh/policy/request-authentication/parse-token.ts";

/** Whether a key has signed a token. */
export type VerifySignature = (token: Pick<UnverifiedToken, "text" | "algorithm">, key: PublicKey) => Promise<boolean>;

/**
 * Verifies with jose, off the event loop's thread. jose is loaded with the first token: a proxy without token rules never
 * has it in memory. A key is imported once for each algorithm. What fails for any reason is not verified.
 */
export function createSignatureVerifier(): VerifySignature {
  const imported = new WeakMap<PublicKey, Map<string, Promise<CryptoKey | Uint8Array>>>();
  const importKey = (key: PublicKey, algorithm: string): Promise<CryptoKey | Uint8Array> => {
    const byAlgorithm = imported.get(key) ?? new Map<string, Promise<CryptoKey | Uint8Array>>();
    imported.set(key, byAlgorithm);
    const known = byAlgorithm.get(algorithm) ?? loadJose().then(({ importJWK }) => importJWK({ ...key }, algorithm));
    byAlgorithm.set(algorithm, known);
    return known;
  };
  return async ({ text, algorithm }, key) => {
    try {
      const { compactVerify } = await loadJose();
      await compactVerify(text, await importKey(key, algorithm), { algorithms: [algorithm] });
      return true;
    } catch {
      return false;
    }
  };
}

/** Of jose only what verifies: all of it would be bundled else, with its encryption. */
async function loadJose() {
  const [{ compactVerify }, { importJWK }] = await Promise.all([
    import("jose/jws/compact/verify"),
    import("jose/key/import"),
  ]);
  return { compactVerify, importJWK };
}
