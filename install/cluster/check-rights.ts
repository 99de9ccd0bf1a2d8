import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { InstallError } from "../install-error.ts";
import { installedKind } from "./installed-kinds.ts";
import type { PlannedObject } from "./plan-installation.ts";

/**
 * Asks the API server whether the caller may do what is planned, so that an installation does not stop half way.
 * @throws InstallError `missing_rights`, which names each right
 */
export async function checkRights(
  api: KubernetesApi,
  planned: readonly PlannedObject[],
  signal: AbortSignal,
): Promise<void> {
  const missing: string[] = [];
  for (const right of neededRights(planned)) {
    const spec = { resourceAttributes: { ...right, verb: "patch" } };
    const review = await api.review(
      KINDS.selfSubjectAccessReviews,
      { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec },
      { signal },
    );
    if (Object(review["status"]).allowed === true) continue;
    const where = right.namespace === undefined ? "" : ` in the namespace ${right.namespace}`;
    missing.push(`patch ${right.resource}${right.group === "" ? "" : `.${right.group}`}${where}`);
  }
  if (missing.length === 0) return;
  throw new InstallError(
    "missing_rights",
    `you may not ${missing.join(", ")}; installing needs the rights of a cluster administrator`,
  );
}

interface Right {
  readonly group: string;
  readonly resource: string;
  readonly namespace: string | undefined;
}

function neededRights(planned: readonly PlannedObject[]): readonly Right[] {
  const rights = new Map<string, Right>();
  for (const { object, action } of planned) {
    if (action === "keep") continue;
    const { group, plural } = installedKind(object);
    const { namespace } = object.metadata;
    rights.set(`${group}/${plural}/${namespace}`, { group, resource: plural, namespace });
  }
  return [...rights.values()];
}
