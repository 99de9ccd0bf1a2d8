import type { Operation } from "rfc6902";
import { buildPatch } from "./build-patch.ts";
import { type InjectionContext, injectPod, type RefusalReason } from "./inject-pod.ts";
import type { Pod } from "./pod.ts";
import { decideByPod, type InjectionDecision, type SkipReason } from "./selection/decide-injection.ts";

/** The outcome of admission for one pod: from the API server or from a manifest file. */
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
      /** Present if a sidecar was requested and the pod cannot run one. */
      readonly warnings: readonly string[];
    }
  | { readonly kind: "refused"; readonly reason: RefusalReason; readonly message: string };

export interface AdmitPodInput extends InjectionContext {
  readonly pod: Pod;
  /**
   * @default decided by the pod alone; the API server has already applied the label selectors
   */
  readonly decision?: InjectionDecision;
}

/**
 * Runs the whole admission of one pod: decides whether to inject, injects, builds the patch. The input is not changed.
 */
export function admitPod({ pod, decision, ...context }: AdmitPodInput): Admission {
  const decided = decision ?? decideByPod({ pod, namespace: context.namespace, settings: context.settings });
  if (decided.kind === "skip") return { ...decided, kind: "skipped", warnings: skipWarnings(decided) };
  const outcome = injectPod(pod, context);
  return outcome.kind === "refused" ? outcome : { ...outcome, patch: buildPatch(pod, outcome.pod) };
}

/** Warns the user of a pod that did not opt out and still gets no sidecar: its traffic is not protected. */
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
