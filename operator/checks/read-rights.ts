import { renderInstallation } from "../../install/render-installation.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import type { CheckedRight } from "./cluster-facts.ts";

/** Applying creates what is missing and patches the rest. */
const VERBS = ["create", "patch"] as const;

/** Asks the API server whether the caller may do what an installation into a namespace does. */
export async function readRights(
  api: KubernetesApi,
  rootNamespace: string,
  signal: AbortSignal,
): Promise<readonly CheckedRight[]> {
  const asked = [...neededKinds(rootNamespace).values()].flatMap(({ kind, namespace }) =>
    VERBS.map((verb) => ({ kind, namespace, verb })),
  );
  return await Promise.all(
    asked.map(async ({ kind, namespace, verb }) => {
      const { group, plural: resource } = kind;
      const resourceAttributes = { verb, group, resource, ...(namespace === undefined ? {} : { namespace }) };
      const review = {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes },
      };
      const { status } = await api.review(KINDS.selfSubjectAccessReviews, review, { signal });
      const isAllowed = typeof status === "object" && status !== null && "allowed" in status && status.allowed === true;
      return { verb, resource: group === "" ? resource : `${resource}.${group}`, namespace, isAllowed };
    }),
  );
}

interface NeededKind {
  readonly kind: ApiKind;
  readonly namespace: string | undefined;
}

/** The kinds and namespaces of an installation's objects. */
function neededKinds(rootNamespace: string): ReadonlyMap<string, NeededKind> {
  const values = parseInstallValues({ expressions: [`namespace=${rootNamespace}`] });
  const objects = renderInstallation(values).flatMap((part) => part.objects);
  return new Map(
    objects.flatMap((object): [string, NeededKind][] => {
      const kind = Object.values<ApiKind>(KINDS).find((candidate) => candidate.kind === object.kind);
      const { namespace } = object.metadata;
      return kind === undefined ? [] : [[`${object.kind} ${namespace}`, { kind, namespace }]];
    }),
  );
}
