import { z } from "zod";
import { faultFromIssue } from "../../mesh/resources/parsing/schema-issue.ts";
import { admitPod } from "./admit-pod.ts";
import type { InjectionContext } from "./inject-pod.ts";
import { limitWarnings } from "./limit-warnings.ts";
import { hasSidecar, type OwnerReference, ownerReferenceSchema, type Pod, validatePod } from "./pod.ts";
import { findEphemeralProxyIdUse } from "./pod-security/proxy-id.ts";

/** The result of one webhook request. */
export type ReviewResult =
  | {
      readonly kind: "reviewed";
      readonly outcome: "injected" | "skipped" | "refused";
      /** For the log: why the pod was skipped or refused. */
      readonly reason: string;
      readonly message: string;
      readonly subject: ReviewSubject;
      readonly review: AdmissionReviewResponse;
    }
  /** The body is not a valid AdmissionReview: HTTP 400. */
  | { readonly kind: "malformed"; readonly message: string };

/** What a review was about, for the log and for Events. */
export interface ReviewSubject {
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

const reviewSchema = z.looseObject({
  apiVersion: z.string().nullish(),
  kind: z.string().nullish(),
  request: z.looseObject({
    uid: z.string().min(1),
    kind: z.looseObject({ kind: z.string() }).nullish(),
    operation: z.string().nullish(),
    subResource: z.string().nullish(),
    namespace: z.string().nullish(),
    dryRun: z.boolean().nullish(),
    object: z.unknown().optional(),
  }),
});

type ReviewRequest = z.output<typeof reviewSchema>["request"];

/** What a review needs besides the request. */
export type ReviewDeps = Pick<InjectionContext, "settings" | "createToken">;

/** Handles an AdmissionReview (admission.k8s.io/v1), given as JSON text. Never throws, whatever the text contains. */
export function reviewAdmission(text: string, deps: ReviewDeps): ReviewResult {
  const body = parseJson(text);
  if (body.kind === "malformed") return body;
  const parsed = reviewSchema.safeParse(body.value, { reportInput: true });
  if (!parsed.success) return { kind: "malformed", message: describeIssues(parsed.error) };
  const { apiVersion, kind, request } = parsed.data;
  if (kind !== "AdmissionReview" || apiVersion !== "admission.k8s.io/v1") {
    const message = `the injector supports AdmissionReview of admission.k8s.io/v1, got ${apiVersion ?? "(none)"} ${kind ?? "(none)"}`;
    return refuse(request, { reason: "unsupported_version", message, code: 400 });
  }
  return reviewRequest(request, deps);
}

function reviewRequest(request: ReviewRequest, deps: ReviewDeps): ReviewResult {
  if (request.kind && request.kind.kind !== "Pod") {
    const message = `the injector handles only pods, got ${request.kind.kind}`;
    return refuse(request, { reason: "not_a_pod", message, code: 400 });
  }
  if (request.subResource === "ephemeralcontainers") return reviewEphemeralContainers(request, deps);
  if (request.subResource || (request.operation && request.operation !== "CREATE")) {
    const message = "pods are injected only when they are created";
    return createResult(request, { outcome: "skipped", reason: "not_created", message, response: { allowed: true } });
  }
  const read = readPod(request);
  if (read.kind !== "pod") return read;
  const { pod } = read;
  const namespace = request.namespace || pod.metadata?.namespace || "default";
  const admission = admitPod({ pod, namespace, ...deps });
  switch (admission.kind) {
    case "refused":
      return refuse(request, { reason: admission.reason, message: admission.message, code: 422 });
    case "skipped": {
      const warnings = limitWarnings(admission.warnings);
      const response = { allowed: true, ...(warnings.length > 0 && { warnings }) };
      return createResult(request, { ...admission, outcome: "skipped", response });
    }
    case "injected": {
      const { patch } = admission;
      const warnings = limitWarnings(admission.warnings);
      const response = {
        allowed: true,
        ...(patch.length > 0 && { patchType: "JSONPatch" as const, patch: encodePatch(patch) }),
        ...(warnings.length > 0 && { warnings }),
      };
      return createResult(request, { outcome: "injected", reason: "", message: "the sidecar is injected", response });
    }
  }
}

function readPod(request: ReviewRequest): ReviewResult | { readonly kind: "pod"; readonly pod: Pod } {
  if (request.object === undefined || request.object === null) {
    return refuse(request, { reason: "no_object", message: "the request contains no pod", code: 400 });
  }
  const validation = validatePod(request.object);
  if (validation.kind === "valid") return { kind: "pod", pod: validation.pod };
  const message = `the pod is not valid: ${validation.message}`;
  return refuse(request, { reason: "invalid_pod", message, code: 422 });
}

/**
 * `kubectl debug` adds a container to a running pod. Nothing is injected, but the container must not run as the proxy.
 */
function reviewEphemeralContainers(request: ReviewRequest, deps: ReviewDeps): ReviewResult {
  const read = readPod(request);
  if (read.kind !== "pod") return read;
  const misuse = hasSidecar(read.pod) ? findEphemeralProxyIdUse(read.pod, deps.settings.image) : undefined;
  if (misuse !== undefined) return refuse(request, { reason: "proxy_id_in_use", message: misuse, code: 422 });
  const message = "the pod's ephemeral containers are allowed";
  return createResult(request, { outcome: "skipped", reason: "not_created", message, response: { allowed: true } });
}

interface Refusal {
  readonly reason: string;
  readonly message: string;
  readonly code: number;
}

function refuse(request: ReviewRequest, { reason, message, code }: Refusal): ReviewResult {
  const status = { code, reason: "Invalid", message: `sidecar injection: ${message}` };
  return createResult(request, { outcome: "refused", reason, message, response: { allowed: false, status } });
}

interface Verdict {
  readonly outcome: "injected" | "skipped" | "refused";
  readonly reason: string;
  readonly message: string;
  readonly response: Omit<AdmissionResponse, "uid">;
}

function createResult(request: ReviewRequest, { outcome, reason, message, response }: Verdict): ReviewResult {
  return {
    kind: "reviewed",
    outcome,
    reason,
    message,
    subject: subjectOf(request),
    review: {
      apiVersion: "admission.k8s.io/v1",
      kind: "AdmissionReview",
      response: { uid: request.uid, ...response },
    },
  };
}

const subjectSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string().nullish(),
    generateName: z.string().nullish(),
    ownerReferences: z.array(ownerReferenceSchema).nullish(),
  }),
});

function subjectOf({ namespace, object, dryRun }: ReviewRequest): ReviewSubject {
  const result = subjectSchema.safeParse(object);
  const { name, generateName, ownerReferences } = result.success ? result.data.metadata : {};
  return {
    namespace: namespace ?? "",
    name: name ?? generateName ?? "",
    owner: (ownerReferences ?? []).find(({ controller }) => controller === true),
    isDryRun: dryRun === true,
  };
}

function encodePatch(patch: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(patch)).toString("base64");
}

function parseJson(
  text: string,
): { readonly kind: "parsed"; readonly value: unknown } | { readonly kind: "malformed"; readonly message: string } {
  try {
    return { kind: "parsed", value: JSON.parse(text) };
  } catch {
    return { kind: "malformed", message: "the body is not JSON" };
  }
}

function describeIssues(error: z.ZodError): string {
  const [issue] = error.issues;
  if (issue === undefined) return "the body is not an AdmissionReview";
  const { path, message } = faultFromIssue(issue);
  return `the body is not an AdmissionReview: ${path.join(".") || "it"} ${message}`;
}
