import { cutNote, type ObjectReference } from "../../kubernetes/warning-event.ts";
import type { Reviewed } from "../review/review-result.ts";

/** Something about a pod's admission that its owner should see in the cluster. */
export interface InjectionEvent {
  readonly reason: "SidecarInjectionRefused" | "SidecarInjectionWarning";
  readonly note: string;
  /** The controller that creates the pod, as the review names it. */
  readonly regarding: OwnerObject;
  /** The same event again is not recorded for a while. */
  readonly key: string;
}

/** An object in a namespace, with the uid by which the API can confirm it. */
export type OwnerObject = ObjectReference & { readonly namespace: string; readonly uid: string };

/**
 * The Event for a review, if it has something to say that its user does not see: kubectl shows the refusal and the
 * warnings of a pod that a user creates, but those of a Deployment's pods reach only its controller. A dry run has none.
 */
export function eventOf({ outcome, message, subject, review }: Reviewed): InjectionEvent | undefined {
  const { namespace, owner, isDryRun } = subject;
  if (isDryRun || namespace === "" || !owner?.uid) return undefined;
  const { apiVersion, kind, name, uid } = owner;
  const regarding = { apiVersion, kind, namespace, name, uid };
  const warnings = review.response.warnings ?? [];
  if (outcome === "refused") return createEvent("SidecarInjectionRefused", `no pod is created: ${message}`, regarding);
  return warnings.length === 0 ? undefined : createEvent("SidecarInjectionWarning", warnings.join("; "), regarding);
}

function createEvent(reason: InjectionEvent["reason"], text: string, regarding: OwnerObject): InjectionEvent {
  const note = cutNote(text);
  return { reason, note, regarding, key: [regarding.uid, regarding.namespace, reason, note].join(" ") };
}
