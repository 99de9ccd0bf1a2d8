import type { InjectionSettings } from "../injection-settings.ts";
import { annotationsOf, labelsOf, type Pod } from "../pod.ts";
import { findObstacle, type Obstacle } from "./find-obstacle.ts";
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

/** Why a pod is not injected. */
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

/** Whether a pod gets a sidecar: by its own fields, and by the labels that the API server's selectors use. */
export function decideInjection({ namespace, pod, settings }: InjectionInput): InjectionDecision {
  const own = decideByPod({ namespace: namespace.name, pod, settings });
  if (own.kind === "skip") return own;
  const configuration = mutatingWebhookConfiguration(settings);
  const labels = { ...namespace.labels, [NAMESPACE_NAME_LABEL]: namespace.name };
  if (matchesWebhook(configuration, labels, labelsOf(pod))) return { kind: "inject" };
  return skip(
    "not_selected",
    `neither the labels of namespace ${namespace.name} nor those of the pod request injection`,
  );
}

export interface PodDecisionInput {
  readonly namespace: string;
  readonly pod: Pod;
  readonly settings: Pick<InjectionSettings, "controlPlaneNamespace">;
}

/**
 * Decides about a pod that the API server has already selected: first by the pod's own label or annotation, then by
 * whether it can run a sidecar. The label overrides the annotation of the same name, which selectors cannot see.
 */
export function decideByPod({ namespace, pod, settings }: PodDecisionInput): InjectionDecision {
  if (SYSTEM_NAMESPACES.includes(namespace)) {
    return skip("system_namespace", `the namespace ${namespace} belongs to Kubernetes itself`);
  }
  const requested = requestedInjection(pod);
  if (requested === "false") return skip("pod_opted_out", "the pod has sidecar.istio.io/inject: false");
  if (requested !== "true" && namespace === settings.controlPlaneNamespace) {
    return skip(
      "control_plane_namespace",
      `in ${namespace} a pod is injected only if it has sidecar.istio.io/inject: true`,
    );
  }
  const obstacle = findObstacle(pod);
  return obstacle === undefined ? { kind: "inject" } : { kind: "skip", ...obstacle };
}

/** The value of the pod's own label or annotation: `true`, `false`, or another text, which counts as unset. */
export function requestedInjection(pod: Pod): string | undefined {
  const name = "sidecar.istio.io/inject";
  return (labelsOf(pod)[name] ?? annotationsOf(pod)[name])?.toLowerCase();
}

function skip(reason: SkipReason, message: string): InjectionDecision {
  return { kind: "skip", reason, message };
}
