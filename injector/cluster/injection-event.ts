import { cutNote, type ObjectReference } from "../../kubernetes/warning-event.ts";
import type { Reviewed, ReviewSubject } from "../review/review-result.ts";

/** Something about a pod's admission that its owner should see in the cluster. */
export interface InjectionEvent {
  readonly reason: "SidecarInjectionRefused" | "SidecarInjectionWarning";
  readonly note: string;
  /** The object that `kubectl describe` shows it at. */
  readonly regarding: NamespacedReference;
  /** The same event again is not recorded for a while. */
  readonly key: string;
}

/** An object in a namespace, or the namespace itself. */
export type NamespacedReference = ObjectReference & { readonly namespace: string };

/**
 * The Event for a review, if it has something to say: kubectl shows the refusal and the warnings of a pod that a user
 * creates, but those of a Deployment's pods reach only its controller. A dry run has no Event.
 */
export function eventOf({ outcome, message, subject, review }: Reviewed): InjectionEvent | undefined {
  if (subject.isDryRun || subject.namespace === "") return undefined;
  const regarding = regardingOf(subject);
  const warnings = review.response.warnings ?? [];
  if (outcome === "refused") return createEvent("SidecarInjectionRefused", `no pod is created: ${message}`, regarding);
  if (warnings.length === 0 || subject.owner === undefined) return undefined;
  return createEvent("SidecarInjectionWarning", warnings.join("; "), regarding);
}

function createEvent(reason: InjectionEvent["reason"], text: string, regarding: NamespacedReference): InjectionEvent {
  const note = cutNote(text);
  return {
    reason,
    note,
    regarding,
    key: [regarding.uid ?? regarding.name, regarding.namespace, reason, note].join(" "),
  };
}

/** The controller that creates the pod. A pod of its own does not exist yet, so its namespace stands for it. */
function regardingOf({ namespace, owner }: ReviewSubject): NamespacedReference {
  if (owner === undefined) return { apiVersion: "v1", kind: "Namespace", namespace, name: namespace };
  const { apiVersion, kind, name, uid } = owner;
  return { apiVersion, kind, namespace, name, ...(typeof uid === "string" && { uid }) };
}
