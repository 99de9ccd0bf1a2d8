import type { InstallValues } from "../values/install-values.ts";

export type Labels = Readonly<Record<string, string>>;

/** A part of the installation that runs in pods of its own. */
export type Component = "istiod" | "istio-sidecar-injector" | "istio-ingressgateway";

/** On everything that an installation creates: what lacks it belongs to someone else. */
export const OWNER_LABELS: Labels = {
  "app.kubernetes.io/managed-by": "entente",
  "app.kubernetes.io/part-of": "entente",
};

/** Whose an object is; shared objects have no instance. */
export const IDENTITY_LABELS = ["app.kubernetes.io/managed-by", "app.kubernetes.io/instance"] as const;

export const REVISION_LABEL = "istio.io/rev";

/** The labels by which an installation finds its objects again: one revision in one namespace. */
export function installationLabels({ revision, namespace }: Pick<InstallValues, "revision" | "namespace">): Labels {
  return { ...OWNER_LABELS, "app.kubernetes.io/instance": namespace, [REVISION_LABEL]: revision };
}

/** `istiod`, or `istiod-REVISION`, as Istio suffixes names. */
export function withRevision(name: string, { revision }: Pick<InstallValues, "revision">): string {
  return revision === "default" ? name : `${name}-${revision}`;
}

/** Names of cluster-wide objects contain the namespace, as Istio's do: `istiod-clusterrole-istio-system`. */
export function clusterName(name: string, values: Pick<InstallValues, "revision" | "namespace">): string {
  return `${withRevision(name, values)}-${values.namespace}`;
}

/** The labels of a component's objects. */
export function componentLabels(component: Component, values: Pick<InstallValues, "revision" | "namespace">): Labels {
  return { app: withRevision(component, values), "app.kubernetes.io/name": component, ...installationLabels(values) };
}

/**
 * How Services and Deployments find a component's pods. `app` is unique for each revision: a Service of Istio's in the
 * same namespace selects by Istio's names and must not find our pods.
 */
export function componentSelector(component: Component, values: Pick<InstallValues, "revision">): Labels {
  const selector = { app: withRevision(component, values) };
  return component === "istio-ingressgateway" ? { ...selector, istio: "ingressgateway" } : selector;
}
