import { z } from "zod";
import { faultFromIssue } from "../../mesh/resources/parsing/schema-issue.ts";
import { findJsonExcess } from "./json-excess.ts";

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
    oldObject: z.unknown().optional(),
  }),
});

/** What the API server asks a webhook about: an object that is being created, changed or deleted. */
export type AdmissionRequest = z.output<typeof reviewSchema>["request"];

export type ReviewReading =
  | { readonly kind: "request"; readonly request: AdmissionRequest }
  /** Of another version of the API: it has a uid to respond to. */
  | { readonly kind: "unsupported"; readonly request: AdmissionRequest; readonly message: string }
  /** Not an AdmissionReview. */
  | { readonly kind: "malformed"; readonly message: string };

/** Reads an AdmissionReview (admission.k8s.io/v1), given as JSON text. Never throws. */
export function readAdmissionReview(text: string): ReviewReading {
  const body = parseJson(text);
  if (body.kind === "malformed") return body;
  const parsed = reviewSchema.safeParse(body.value, { reportInput: true });
  if (!parsed.success) return { kind: "malformed", message: describeIssues(parsed.error) };
  const { apiVersion, kind, request } = parsed.data;
  if (kind === "AdmissionReview" && apiVersion === "admission.k8s.io/v1") return { kind: "request", request };
  const message = `the injector supports AdmissionReview of admission.k8s.io/v1, got ${apiVersion ?? "(none)"} ${kind ?? "(none)"}`;
  return { kind: "unsupported", request, message };
}

function parseJson(
  text: string,
): { readonly kind: "parsed"; readonly value: unknown } | { readonly kind: "malformed"; readonly message: string } {
  const excess = findJsonExcess(text);
  if (excess !== undefined) return { kind: "malformed", message: excess };
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
