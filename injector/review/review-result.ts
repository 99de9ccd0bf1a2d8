import { z } from "zod";
import type { AdmissionRequest } from "./admission-request.ts";
import { limitWarnings } from "./limit-warnings.ts";
import { type OwnerReference, ownerReferenceSchema } from "./owner-reference.ts";

/** The result of one webhook request. */
export type ReviewResult =
  | Reviewed
  /** The body is not a valid AdmissionReview: HTTP 400. */
  | { readonly kind: "malformed"; readonly message: string };

export interface Reviewed {
  readonly kind: "reviewed";
  readonly outcome: ReviewOutcome;
  /** For the log: why the object was skipped or refused. */
  readonly reason: string;
  readonly message: string;
  readonly subject: ReviewSubject;
  readonly review: AdmissionReviewResponse;
}

/** `injected` for pods, `valid` for the mesh's resources. */
export type ReviewOutcome = "injected" | "valid" | "skipped" | "refused";

/** What a review was about, for the log and for Events. */
export interface ReviewSubject {
  readonly kind: string;
  readonly namespace: string;
  /** A controller's new pod has only the beginning of its name. */
  readonly name: string;
  /** The controller that creates the pod. */
  readonly owner: OwnerReference | undefined;
  /** Nothing is stored, and nothing may have a side effect. */
  readonly isDryRun: boolean;
}

export interface AdmissionReviewResponse {
  readonly apiVersion: "admission.k8s.io/v1";
  readonly kind: "AdmissionReview";
  readonly response: AdmissionResponse;
}

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly patchType?: "JSONPatch";
  /** The JSON Patch, encoded in base64. */
  readonly patch?: string;
  readonly warnings?: readonly string[];
  readonly status?: { readonly code: number; readonly reason: string; readonly message: string };
}

export interface Verdict {
  readonly outcome: ReviewOutcome;
  readonly reason: string;
  readonly message: string;
  readonly warnings?: readonly string[];
  readonly response: Omit<AdmissionResponse, "uid" | "warnings">;
}

/** The response to a request, and what is worth knowing about it. */
export function createResult(request: AdmissionRequest, verdict: Verdict): Reviewed {
  const { outcome, reason, message, response } = verdict;
  const warnings = limitWarnings(verdict.warnings ?? []);
  return {
    kind: "reviewed",
    outcome,
    reason,
    message,
    subject: subjectOf(request),
    review: {
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: { uid: request.uid, ...response, ...(warnings.length > 0 && { warnings }) },
    },
  };
}

export interface Refusal {
  readonly reason: string;
  readonly message: string;
  /** The HTTP status that the user's request gets. */
  readonly code: 400 | 422;
  /** What the message is about: `sidecar injection`. */
  readonly topic?: string;
}

/** A user's message is as long as a terminal page, not as the object that it quotes. */
const MAX_MESSAGE_CHARS = 4096;

/** The response that refuses the object. */
export function refuse(request: AdmissionRequest, { reason, message, code, topic }: Refusal): Reviewed {
  const text = topic === undefined ? message : `${topic}: ${message}`;
  const cut = text.length > MAX_MESSAGE_CHARS ? `${text.slice(0, MAX_MESSAGE_CHARS).toWellFormed()}…` : text;
  const status = { code, reason: "Invalid", message: cut };
  return createResult(request, { outcome: "refused", reason, message, response: { allowed: false, status } });
}

const subjectSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string().nullish(),
    generateName: z.string().nullish(),
    ownerReferences: z.array(ownerReferenceSchema).nullish(),
  }),
});

function subjectOf({ kind, namespace, object, dryRun }: AdmissionRequest): ReviewSubject {
  const result = subjectSchema.safeParse(object);
  const { name, generateName, ownerReferences } = result.success ? result.data.metadata : {};
  return {
    kind: kind?.kind ?? "",
    namespace: namespace ?? "",
    name: name ?? generateName ?? "",
    owner: (ownerReferences ?? []).find(({ controller }) => controller === true),
    isDryRun: dryRun === true,
  };
}
