import { findObstacle, type Obstacle } from "./find-obstacle.ts";
import type { InjectionSettings } from "./injection-settings.ts";
import { annotationsOf, labelsOf, type Pod } from "./pod.ts";
import { SYSTEM_NAMESPACES } from "./system-namespaces.ts";
import {
  type Labels,
  matchesWebhook,
  mutatingWebhookConfiguration,
  NAMESPACE_NAME_LABEL,
} from "./webhook-configuration.ts";

export type InjectionDecision =
  | { readonly kind: "inject" }
  | { readonly kind: "skip"; readonly reason: SkipReason; readonly message: string };

/** Why a pod is left as it is. */
export type SkipReason =
  | Obstacle["reason"]
  | "system_namespace"
  | "control_plane_namespace"
  | "pod_opted_out"
  | "not_selected";

export interface InjectionInput {
  readonly namespace: { readonly name: string; readonly labels: Labels };
  readonly pod: Pod;
  readonly settings: Pick<InjectionSettings, "revision" | "controlPlaneNamespace">;
}

/** Whether a pod gets a sidecar, by its own fields and by the labels that the API server selects pods with. */
export function decideInjection({ namespace, pod, settings }: InjectionInput): InjectionDecision {
  const own = decideByPod({ namespace: namespace.name, pod, settings });
  if (own.kind === "skip") return own;
  const configuration = mutatingWebhookConfiguration(settings);
  const labels = { ...namespace.labels, [NAMESPACE_NAME_LABEL]: namespace.name };
  if (matchesWebhook(configuration, labels, labelsOf(pod))) return { kind: "inject" };
  return skip(
    "not_selected",
    `neither the labels of the namespace ${namespace.name} nor those of the pod ask for injection`,
  );
}

export interface PodDecisionInput {
  readonly namespace: string;
  readonly pod: Pod;
  readonly settings: Pick<InjectionSettings, "controlPlaneNamespace">;
}

/**
 * What the webhook itself decides, once the API server has selected a pod: what the pod wishes, then whether it can.
 * The label is stronger than the annotation of the same name, which selectors cannot see.
 */
export function decideByPod({ namespace, pod, settings }: PodDecisionInput): InjectionDecision {
  if (SYSTEM_NAMESPACES.includes(namespace)) {
    return skip("system_namespace", `the namespace ${namespace} belongs to the cluster itself`);
  }
  const wish = injectionWish(pod);
  if (wish === "false") return skip("pod_opted_out", "the pod says sidecar.istio.io/inject: false");
  if (wish !== "true" && namespace === settings.controlPlaneNamespace) {
    return skip(
      "control_plane_namespace",
      `in ${namespace} a pod is injected only when it says sidecar.istio.io/inject: true`,
    );
  }
  const obstacle = findObstacle(pod);
  return obstacle === undefined ? { kind: "inject" } : { kind: "skip", ...obstacle };
}

/** What the pod itself says: `true`, `false`, or something else, which counts as nothing. */
export function injectionWish(pod: Pod): string | undefined {
  const name = "sidecar.istio.io/inject";
  return (labelsOf(pod)[name] ?? annotationsOf(pod)[name])?.toLowerCase();
}

function skip(reason: SkipReason, message: string): InjectionDecision {
  return { kind: "skip", reason, message };
}
