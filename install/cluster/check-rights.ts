import { type Right, reviewRights } from "../../kubernetes/access-review.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { InstallError } from "../install-error.ts";
import { installedKind } from "./installed-kinds.ts";
import type { PlannedObject } from "./plan-installation.ts";

/** For everything that a first installation does with an object. */
export function rightsToInstall(object: KubernetesObject): readonly Right[] {
  return [...rightsToRead(object), rightTo("create", object), rightTo("patch", object)];
}

/** To see what is there. */
export function rightsToRead(object: KubernetesObject): readonly Right[] {
  return [rightTo("get", object)];
}

/** To carry the plan out. Server-side apply of an object that does not exist needs the right to create it too. */
export function rightsToApply({ object, before, action }: PlannedObject): readonly Right[] {
  if (action === "keep") return [];
  return [...(before === undefined ? [rightTo("create", object)] : []), rightTo("patch", object)];
}

function rightTo(verb: Right["verb"], object: KubernetesObject): Right {
  return { verb, kind: installedKind(object), namespace: object.metadata.namespace };
}

/**
 * Asks the API server whether the caller has the rights, so that an installation does not stop half way.
 * @throws InstallError `missing_rights`, which names each that is missing
 */
export async function checkRights(api: KubernetesApi, rights: readonly Right[], signal: AbortSignal): Promise<void> {
  const { missing } = await reviewRights(api, rights, { signal });
  if (missing.length === 0) return;
  throw new InstallError(
    "missing_rights",
    `you may not ${missing.join(", ")}; installing needs the rights of a cluster administrator`,
  );
}
