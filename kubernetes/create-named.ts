import type { ApiKind, KubernetesApi, KubernetesObject } from "./kubernetes-api.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";

export interface CreateNamedDeps {
  readonly api: Pick<KubernetesApi, "apply">;
  /** Distinguishes this process from all others. */
  readonly randomBytes: (size: number) => Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Creates an object that several processes may create at once, each with other content: one succeeds. It is a server-side
 * apply without force, by a field manager that nobody else has, because RBAC can limit that to one name, and a plain
 * create not. An existing object is never changed: its fields belong to another manager, which is a conflict.
 * @returns undefined if the object is there already, with other content
 * @throws KubernetesApiError; without the right, its message names the fix
 */
export async function createNamed(
  kind: ApiKind,
  object: KubernetesObject,
  { api, randomBytes, signal }: CreateNamedDeps,
): Promise<KubernetesObject | undefined> {
  const fieldManager = `entente-${Buffer.from(randomBytes(8)).toString("hex")}`;
  try {
    return await api.apply(kind, object, { fieldManager, ...(signal && { signal }) });
  } catch (caught) {
    if (!(caught instanceof KubernetesApiError)) throw caught;
    if (caught.status === 409) return undefined;
    throw caught.status === 403 ? withFix(caught, object) : caught;
  }
}

function withFix(caught: KubernetesApiError, { kind, metadata }: KubernetesObject): KubernetesApiError {
  const { namespace = "", name } = metadata;
  const { status, reason } = caught;
  return new KubernetesApiError(
    caught.code,
    `${kind} ${namespace}/${name} does not exist and may not be created: apply the installation's access rights again, by ` +
      `entente install or kubectl apply -k (${caught.message})`,
    { cause: caught, ...(status !== undefined && { status }), ...(reason !== undefined && { reason }) },
  );
}
