import { createPublicKey, type JsonWebKey } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createLocalJWKSet, errors, type LocalJWKSet } from "jose";
import { findPublicKeyFault } from "../../mesh/identity/public-key-rules.ts";
import type { Logger } from "../../mesh/runtime.ts";

/** The keys that verify tokens, from a JWKS file (RFC 7517). */
export interface JwksFile {
  /** The current keys. `undefined`: the file has never been readable. */
  current(): Promise<LocalJWKSet | undefined>;
}

const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Checks the file at each call and reads it again when it has changed, so that new keys need neither a restart nor a
 * watch. If the file is broken or missing the last valid keys stay in use, and it is logged once.
 */
export function createJwksFile(path: string, log: Logger): JwksFile {
  let keys: LocalJWKSet | undefined;
  let seen = "";
  let refreshing: Promise<void> = Promise.resolve();
  const refresh = async (): Promise<void> => {
    const version = await readVersion(path);
    if (version === seen) return;
    seen = version;
    try {
      keys = await readKeys(path);
      log.info({ component: "ca-agent", path, keys: keys.jwks().keys.length }, "read the keys that sign tokens");
    } catch (caught) {
      const reason = caught instanceof Error ? caught.message : String(caught);
      log.error(
        { component: "ca-agent", code: "jwks_unusable", path, reason, keptLastGood: keys !== undefined },
        "the keys that sign tokens cannot be read: put a JWKS file with public RSA or P-256 keys there",
      );
    }
  };
  return {
    current: async () => {
      // Serialized, so that no caller gets the result of an older read while a newer one is in progress.
      refreshing = refreshing.then(refresh);
      await refreshing;
      return keys;
    },
  };
}

/** Identifies a version of the file; a rename over it, as Kubernetes does, changes the inode. */
async function readVersion(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return `${ino}.${size}.${mtimeNs}.${ctimeNs}`;
  } catch {
    return "unreadable";
  }
}

async function readKeys(path: string): Promise<LocalJWKSet> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new Error(`the file has ${size} bytes, the limit is ${MAX_FILE_BYTES}`);
  const parsed: unknown = JSON.parse(await readFile(path, "utf8"));
  if (!isKeySet(parsed)) throw new errors.JWKSInvalid("the file is not an object with an array `keys`");
  const usable = parsed.keys.filter(isAcceptable);
  if (usable.length === 0) throw new errors.JWKSInvalid("the file contains no key that is accepted");
  return createLocalJWKSet({ keys: usable });
}

/** The same key types and sizes as everywhere: a caller chooses by `kid` which key verifies its token. */
function isAcceptable(key: JsonWebKey): boolean {
  try {
    const spki = createPublicKey({ key, format: "jwk" }).export({ type: "spki", format: "der" });
    return findPublicKeyFault(spki) === undefined;
  } catch {
    return false;
  }
}

interface KeySet {
  readonly keys: (JsonWebKey & { readonly kty: string })[];
}

function isKeySet(value: unknown): value is KeySet {
  if (typeof value !== "object" || value === null || !("keys" in value) || !Array.isArray(value.keys)) return false;
  return value.keys.every(
    (key: unknown) => typeof key === "object" && key !== null && "kty" in key && typeof key.kty === "string",
  );
}
