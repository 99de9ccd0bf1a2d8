import { type AdmissionRequest, readAdmissionReview } from "../review/admission-request.ts";
import { createResult, type Refusal, type Reviewed, type ReviewResult, refuse } from "../review/review-result.ts";
import { admitPod } from "./admit-pod.ts";
import type { InjectionContext } from "./inject-pod.ts";
import { hasSidecar, type Pod, validatePod } from "./pod.ts";
import { findNewProxyIdUse } from "./pod-security/proxy-id.ts";
import { findProxyReplacement } from "./proxy-container/proxy-additions.ts";

/** What a review needs besides the request. */
export type ReviewDeps = Pick<InjectionContext, "settings" | "createToken">;

/** Reviews a new pod, given as the JSON text of an AdmissionReview. Never throws, whatever the text contains. */
export function reviewAdmission(text: string, deps: ReviewDeps): ReviewResult {
  const reading = readAdmissionReview(text);
  switch (reading.kind) {
    case "malformed":
      return reading;
    case "unsupported":
      return refusePod(reading.request, { reason: "unsupported_version", message: reading.message, code: 400 });
    case "request":
      return reviewRequest(reading.request, deps);
  }
}

function reviewRequest(request: AdmissionRequest, deps: ReviewDeps): Reviewed {
  if (request.kind && request.kind.kind !== "Pod") {
    const message = `the injector handles only pods, got ${request.kind.kind}`;
    return refusePod(request, { reason: "not_a_pod", message, code: 400 });
  }
  if (request.operation === "UPDATE" && (request.subResource ?? "") === "") return reviewRunningPod(request, deps);
  if (request.subResource === "ephemeralcontainers") return reviewRunningPod(request, deps);
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
      return refusePod(request, { reason: admission.reason, message: admission.message, code: 422 });
    case "skipped":
      return createResult(request, { ...admission, outcome: "skipped", response: { allowed: true } });
    case "injected": {
      const { patch, warnings } = admission;
      const response = {
        allowed: true,
        ...(patch.length > 0 && { patchType: "JSONPatch" as const, patch: encodePatch(patch) }),
      };
      const message = "the sidecar is injected";
      return createResult(request, { outcome: "injected", reason: "", message, warnings, response });
    }
  }
}

function readPod(request: AdmissionRequest): Reviewed | { readonly kind: "pod"; readonly pod: Pod } {
  if (request.object === undefined || request.object === null) {
    return refusePod(request, { reason: "no_object", message: "the request contains no pod", code: 400 });
  }
  const validation = validatePod(request.object);
  if (validation.kind === "valid") return { kind: "pod", pod: validation.pod };
  const message = `the pod is not valid: ${validation.message}`;
  return refusePod(request, { reason: "invalid_pod", message, code: 422 });
}

/**
 * `kubectl debug` adds a container to a running pod, and an update changes the images of its containers. Nothing is
 * injected, but nothing may become the proxy or run as it.
 */
function reviewRunningPod(request: AdmissionRequest, { settings }: ReviewDeps): Reviewed {
  const read = readPod(request);
  if (read.kind !== "pod") return read;
  const earlier = validatePod(request.oldObject);
  const before = earlier.kind === "valid" ? earlier.pod : undefined;
  const after = read.pod;
  if (hasSidecar(after)) {
    const replacement = before && findProxyReplacement(before, after);
    if (replacement !== undefined)
      return refusePod(request, { reason: "proxy_takeover", message: replacement, code: 422 });
    const misuse = findNewProxyIdUse(before, after, settings.image);
    if (misuse !== undefined) return refusePod(request, { reason: "proxy_id_in_use", message: misuse, code: 422 });
  }
  const message = "the change of the running pod is allowed";
  return createResult(request, { outcome: "skipped", reason: "not_created", message, response: { allowed: true } });
}

function refusePod(request: AdmissionRequest, refusal: Refusal): Reviewed {
  return refuse(request, { ...refusal, topic: "sidecar injection" });
}

function encodePatch(patch: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(patch)).toString("base64");
}
