import type { InstallValues } from "../values/install-values.ts";

export type Labels = Readonly<Record<string, string>>;

/** A part of the installation that runs in pods of its own. */
export type Component = "istiod" | "istio-sidecar-injector" | "istio-ingressgateway";

/** On everything that an installation creates: what lacks it belongs to someone else. */
export const OWNER_LABELS: Labels = {
  "app.kubernetes.io/managed-by": "entente",
  "app.kubernetes.io/part-of": "entente",
};

export const REVISION_LABEL = "istio.io/rev";

/** `istiod`, or `istiod-REVISION`, as Istio suffixes names. */
export function withRevision(name: string, { revision }: Pick<InstallValues, "revision">): string {
  return revision === "default" ? name : `${name}-${revision}`;
}

/** Names of cluster-wide objects contain the namespace, as Istio's do: `istiod-clusterrole-istio-system`. */
export function clusterName(name: string, values: Pick<InstallValues, "revision" | "namespace">): string {
  return `${withRevision(name, values)}-${values.namespace}`;
}

/** The labels of a component's objects. */
export function componentLabels(component: Component, values: Pick<InstallValues, "revision">): Labels {
  return {
    ...OWNER_LABELS,
    app: withRevision(component, values),
    "app.kubernetes.io/name": component,
    [REVISION_LABEL]: values.revision,
  };
}

/**
 * How Services and Deployments find a component's pods. `app` is unique for each revision: a Service of Istio's in the
 * same namespace selects by Istio's names and must not find our pods.
 */
export function componentSelector(component: Component, values: Pick<InstallValues, "revision">): Labels {
  const selector = { app: withRevision(component, values) };
  return component === "istio-ingressgateway" ? { ...selector, istio: "ingressgateway" } : selector;
}
