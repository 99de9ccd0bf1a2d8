import { hash } from "node:crypto";
import { KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../../kubernetes/kubernetes-api-error.ts";
import {
  describeSecret,
  PLUGGED_IN_SECRET,
  readSecretTexts,
  SELF_SIGNED_SECRET,
  withSecretTexts,
} from "../../authority/secrets/authority-secret.ts";
import type { RotationState } from "../rotation-state.ts";
import { type AuthorityStore, requireOwnVersion, type StoredAuthority, type StoredRoot } from "./authority-store.ts";
import { formatOwnAuthority } from "./format-own-authority.ts";
import { parseOwnAuthority } from "./own-authority.ts";
import { OWN_FILE_NAMES } from "./own-file-names.ts";

export interface SecretStoreOptions {
  readonly api: Pick<KubernetesApi, "get" | "replace">;
  /** The mesh's root namespace. */
  readonly namespace: string;
}

/** The authority in the Secret `istio-ca-secret`, unless an operator has plugged one in. */
export function createSecretStore({ api, namespace }: SecretStoreOptions): AuthorityStore {
  const get = (name: string): Promise<KubernetesObject | undefined> => api.get(KINDS.secrets, { namespace, name });
  const readBoth = async (): Promise<{ readonly stored: StoredAuthority; readonly secret?: KubernetesObject }> => {
    const plugged = await get(PLUGGED_IN_SECRET);
    if (plugged !== undefined) return { stored: { kind: "plugged_in", from: describeSecret(plugged) } };
    const secret = await get(SELF_SIGNED_SECRET);
    return secret === undefined ? { stored: { kind: "absent" } } : { stored: storedFrom(secret), secret };
  };
  return {
    read: async () => (await readBoth()).stored,
    swap: async (expected: StoredRoot, next: RotationState) => {
      const { stored, secret } = await readBoth();
      if (stored.kind !== "root" || secret === undefined || stored.version !== expected.version) return "conflict";
      requireOwnVersion(stored, describeSecret(secret));
      try {
        // With the resourceVersion that was just read, so that only this content is replaced.
        await api.replace(KINDS.secrets, withSecretTexts(secret, OWN_FILE_NAMES, formatOwnAuthority(next)));
        return "stored";
      } catch (caught) {
        if (caught instanceof KubernetesApiError && (caught.status === 409 || caught.status === 404)) return "conflict";
        throw caught;
      }
    },
  };
}

function storedFrom(secret: KubernetesObject): StoredAuthority {
  const found = readSecretTexts(secret, OWN_FILE_NAMES);
  const own = parseOwnAuthority(found);
  if (own.kind !== "root") return { kind: "plugged_in", from: found.from };
  const { uid, resourceVersion } = secret.metadata;
  // The content too: after a restored backup one resourceVersion can name two states.
  const version = hash("sha256", JSON.stringify([uid, resourceVersion, ...[...found.texts].sort()]));
  return { ...own, version };
}
