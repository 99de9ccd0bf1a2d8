import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { InstallError } from "../install-error.ts";
import { installedKind } from "./installed-kinds.ts";
import type { PlannedObject } from "./plan-installation.ts";

/** One verb on one kind, in one namespace or in the whole cluster. */
export interface Right {
  readonly verb: "get" | "create" | "patch";
  readonly group: string;
  readonly resource: string;
  readonly namespace: string | undefined;
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
  const { group, plural: resource } = installedKind(object);
  return { verb, group, resource, namespace: object.metadata.namespace };
}

/**
 * Asks the API server whether the caller has the rights, so that an installation does not stop half way.
 * @throws InstallError `missing_rights`, which names each that is missing
 */
export async function checkRights(api: KubernetesApi, rights: readonly Right[], signal: AbortSignal): Promise<void> {
  const distinct = new Map(rights.map((right) => [describeRight(right), right]));
  const missing: string[] = [];
  for (const [description, right] of distinct) {
    const review = await api.review(
      KINDS.selfSubjectAccessReviews,
      {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: right },
      },
      { signal },
    );
    if (Object(review["status"]).allowed !== true) missing.push(description);
  }
  if (missing.length === 0) return;
  throw new InstallError(
    "missing_rights",
    `you may not ${missing.join(", ")}; installing needs the rights of a cluster administrator`,
  );
}

function describeRight({ verb, group, resource, namespace }: Right): string {
  const what = group === "" ? resource : `${resource}.${group}`;
  return `${verb} ${what}${namespace === undefined ? "" : ` in the namespace ${namespace}`}`;
}
