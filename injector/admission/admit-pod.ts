import type { Operation } from "rfc6902";
import { buildPatch } from "./build-patch.ts";
import { decideByPod, type InjectionDecision, type SkipReason } from "./decide-injection.ts";
import { type InjectionContext, injectPod, type RefusalReason } from "./inject-pod.ts";
import type { Pod } from "./pod.ts";

/** What is said to a pod that the API server has selected, or that a file holds. */
export type Admission =
  | {
      readonly kind: "injected";
      readonly pod: Pod;
      readonly patch: readonly Operation[];
      readonly warnings: readonly string[];
    }
  | {
      readonly kind: "skipped";
      readonly reason: SkipReason;
      readonly message: string;
      /** Filled where a sidecar was asked for and the pod cannot run one. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly message: string };

export interface AdmitPodInput extends InjectionContext {
  readonly pod: Pod;
  /** @default what the pod itself says: its selection by labels lies behind it */
  readonly decision?: InjectionDecision;
}

/** The whole way of one pod: whether, then how. The given pod is not changed. */
export function admitPod({ pod, decision, ...context }: AdmitPodInput): Admission {
  const decided = decision ?? decideByPod({ pod, namespace: context.namespace, settings: context.settings });
  if (decided.kind === "skip") return { ...decided, kind: "skipped", warnings: skipWarnings(decided) };
  const outcome = injectPod(pod, context);
  return outcome.kind === "refused" ? outcome : { ...outcome, patch: buildPatch(pod, outcome.pod) };
}

/** A pod that did not ask to be left alone, and is: its traffic is not protected, and its user should know. */
function skipWarnings({
  reason,
  message,
}: {
  readonly reason: SkipReason;
  readonly message: string;
}): readonly string[] {
  switch (reason) {
    case "host_network":
    case "not_linux":
    case "static_pod":
      return [`no sidecar is injected: ${message}`];
    case "system_namespace":
    case "control_plane_namespace":
    case "pod_opted_out":
    case "not_selected":
      return [];
  }
}
