import type { ApiKind } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";

export interface PathParts {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

export type QueryValue = string | number | boolean | undefined;

/** `/apis/apps/v1/namespaces/ns1/deployments/web/status`. Names are escaped: none can leave its place in the path. */
export function formatResourcePath(kind: ApiKind, { namespace, name, subresource }: PathParts): string {
  if (name !== undefined && kind.isNamespaced && !namespace) {
    throw new KubernetesApiError("api_invalid_request", `${kind.kind} ${name}: metadata.namespace is missing`);
  }
  const root = kind.group === "" ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const scope = kind.isNamespaced && namespace ? ["namespaces", namespace] : [];
  const segments = [
    ...scope,
    kind.plural,
    ...(name === undefined ? [] : [name]),
    ...(subresource ? [subresource] : []),
  ];
  return `${root}/${segments.map(formatSegment).join("/")}`;
}

/** `?limit=500&watch=true`, without the absent ones; empty if all are. */
export function formatQuery(values: Readonly<Record<string, QueryValue>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

function formatSegment(segment: string): string {
  if (segment === "" || segment === "." || segment === "..") {
    throw new KubernetesApiError("api_invalid_request", `"${segment}" is not a name of a Kubernetes object`);
  }
  return encodeURIComponent(segment);
}
