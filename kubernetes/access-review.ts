import { formatResourceName, KINDS } from "./kinds.ts";
import type { ApiKind, CallOptions, KubernetesApi } from "./kubernetes-api.ts";
import { isFields } from "./requests/api-response.ts";

/** One verb on one kind, in one namespace or, without a namespace, in the whole cluster. */
export interface Right {
  readonly verb: "get" | "create" | "patch";
  readonly kind: ApiKind;
  readonly namespace: string | undefined;
}

/** Of several rights, how many were asked for, and which the caller lacks: `create deployments.apps`. */
export interface ReviewedRights {
  readonly asked: number;
  readonly missing: readonly string[];
}

/** Asks the API server which of the rights the caller has. */
export async function reviewRights(
  api: Pick<KubernetesApi, "review">,
  rights: readonly Right[],
  options: CallOptions,
): Promise<ReviewedRights> {
  const distinct = new Map(rights.map((right) => [describeRight(right), right]));
  const reviewed = await Promise.all(
    [...distinct].map(async ([name, right]) => ({ name, isAllowed: await isAllowed(api, right, options) })),
  );
  return { asked: distinct.size, missing: reviewed.flatMap(({ name, isAllowed }) => (isAllowed ? [] : [name])) };
}

async function isAllowed(
  api: Pick<KubernetesApi, "review">,
  { verb, kind, namespace }: Right,
  options: CallOptions,
): Promise<boolean> {
  const { group, plural: resource } = kind;
  const resourceAttributes = { verb, group, resource, ...(namespace !== undefined && { namespace }) };
  const review = {
    apiVersion: "authorization.k8s.io/v1",
    kind: "SelfSubjectAccessReview",
    spec: { resourceAttributes },
  };
  const { status } = await api.review(KINDS.selfSubjectAccessReviews, review, options);
  return isFields(status) && status["allowed"] === true;
}

/** `create deployments.apps in the namespace istio-system`. */
function describeRight({ verb, kind, namespace }: Right): string {
  return `${verb} ${formatResourceName(kind)}${namespace === undefined ? "" : ` in the namespace ${namespace}`}`;
}
