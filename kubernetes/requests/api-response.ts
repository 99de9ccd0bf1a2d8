import { apiVersionOf } from "../kinds.ts";
import type { ApiKind, KubernetesObject, ListPage, ReviewObject } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";

/** A complete response. */
export interface ApiResponse {
  /** For messages: `GET https://10.96.0.1/api/v1/pods`. */
  readonly call: string;
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: Buffer;
}

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** The JSON object of a successful response. */
export function parseJsonResponse({ call, status, body }: ApiResponse): Fields {
  const parsed = parseJson(body.toString("utf8"));
  if (isFields(parsed)) return parsed;
  throw invalid(call, `the response with status ${status} (${body.length} bytes) is not a JSON object`);
}

/** The error of a response that is not 2xx. The body of anything but a Status is not repeated: it may be anything. */
export function errorFromResponse(response: ApiResponse, nowMs: number): KubernetesApiError {
  const { call, status, body, retryAfter } = response;
  const parsed = parseJson(body.toString("utf8"));
  const given = isFields(parsed) && parsed["kind"] === "Status" ? parsed : {};
  const retryAfterMs = parseRetryAfter(retryAfter, nowMs);
  return errorFromStatus(call, { ...given, code: status }, retryAfterMs);
}

/** A webhook or an aggregated server can write any length. */
const MAX_MESSAGE_LENGTH = 2000;

/** The error of a Status object: in a response, or in an ERROR event of a watch. */
export function errorFromStatus(call: string, given: Fields, retryAfterMs = retryAfterOf(given)): KubernetesApiError {
  const status = typeof given["code"] === "number" ? given["code"] : 500;
  const reason = typeof given["reason"] === "string" && given["reason"] !== "" ? given["reason"] : undefined;
  const message = typeof given["message"] === "string" ? given["message"] : "no message";
  const text = `${call}: ${status}${reason === undefined ? "" : ` ${reason}`}: ${message.slice(0, MAX_MESSAGE_LENGTH)}`;
  return new KubernetesApiError("api_refused", text, {
    status,
    ...(reason !== undefined && { reason }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    details: { status, reason },
  });
}

function retryAfterOf({ details }: Fields): number | undefined {
  const seconds = isFields(details) ? details["retryAfterSeconds"] : undefined;
  return typeof seconds === "number" && seconds > 0 ? seconds * 1000 : undefined;
}

/** RFC 9110 §10.2.3: seconds or a date. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** A stored object: its kind and metadata are checked, the rest is the caller's to validate. */
export function parseObject(value: unknown, kind: ApiKind, call: string): KubernetesObject {
  if (!isFields(value)) throw invalid(call, `a ${kind.kind} is not a JSON object`);
  const metadata = value["metadata"];
  if (!isFields(metadata) || typeof metadata["name"] !== "string" || metadata["name"] === "") {
    throw invalid(call, `a ${kind.kind} has no metadata.name`);
  }
  // The items of a list carry neither.
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, ...value } as KubernetesObject;
}

export function parseList(value: Fields, kind: ApiKind, call: string): ListPage {
  const { items, metadata } = value;
  // The API server writes `null` for no items in some versions.
  if (items !== null && !Array.isArray(items)) throw invalid(call, "a list has no items");
  if (!isFields(metadata) || typeof metadata["resourceVersion"] !== "string") {
    throw invalid(call, "a list has no metadata.resourceVersion");
  }
  const next = metadata["continue"];
  return {
    items: (items ?? []).map((item: unknown) => parseObject(item, kind, call)),
    resourceVersion: metadata["resourceVersion"],
    ...(typeof next === "string" && next !== "" && { continue: next }),
  };
}

export function parseReview(value: Fields, kind: ApiKind, call: string): ReviewObject {
  if (value["kind"] !== kind.kind) throw invalid(call, `the response is not a ${kind.kind}`);
  return { ...value, apiVersion: apiVersionOf(kind), kind: kind.kind };
}

export function invalid(call: string, what: string): KubernetesApiError {
  return new KubernetesApiError("api_invalid_response", `${call}: ${what}; is this the Kubernetes API?`);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
