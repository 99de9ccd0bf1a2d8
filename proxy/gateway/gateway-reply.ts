import type { ServerResponse } from "node:http";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { GRPC_STATUS, type GrpcStatus } from "../../mesh/resources/fields/grpc-status-names.ts";
import { UpstreamError } from "../connections/upstream-dialer.ts";
import type { RequestFault } from "../http/downstream/downstream-options.ts";
import type { Field } from "../messages/field-access.ts";
import { type LocalReply, replyContent } from "../messages/local-reply.ts";
import { responseContent } from "../messages/response-content.ts";
import type { RequestFlags } from "../telemetry/request-meter.ts";

const { DEADLINE_EXCEEDED } = GRPC_STATUS;

interface ReplyText {
  readonly status: number;
  readonly text: string;
  readonly flags: RequestFlags;
  readonly grpcStatus?: GrpcStatus;
}

/** The local replies to requests that cannot be served; the connection stays open. */
const FAILURES = {
  no_host: { status: 404, text: "no such host here", flags: "NR" },
  no_route: { status: 404, text: "no route for this path", flags: "NR" },
  route_refused: { status: 503, text: "this route asks for something that is not supported", flags: "NR" },
  no_healthy_endpoint: { status: 503, text: "no healthy upstream: the service has no ready endpoint", flags: "UH" },
  refused_destination: { status: 503, text: "the mesh's policy does not let this service be reached", flags: "NR" },
  control_plane_away: { status: 503, text: "the control plane does not respond, and this service is new", flags: "UF" },
  no_svid: { status: 503, text: "the gateway has no valid certificate", flags: "UF" },
  connect_failed: { status: 503, text: "the service does not accept connections", flags: "UF" },
  upstream_untrusted: { status: 503, text: "mutual TLS with the service failed", flags: "UF" },
  undelivered: { status: 503, text: "the service's application does not accept connections", flags: "UF" },
  interrupted: { status: 503, text: "the service's application closed the connection without a response", flags: "UC" },
  upstream_reset: { status: 502, text: "the service closed the connection without a response", flags: "UC" },
  upstream_revoked: { status: 503, text: "the service's certificate was revoked before it responded", flags: "UC" },
  upstream_malformed: { status: 502, text: "the service's response is not HTTP/1.1", flags: "UPE" },
  upstream_head_too_large: {
    status: 502,
    text: "the head of the service's response is too large; the gateway's ENTENTE_MAX_RESPONSE_HEAD_BYTES raises this limit",
    flags: "UPE",
  },
  upstream_too_many_fields: {
    status: 502,
    text: "the service's response has too many fields; the gateway's ENTENTE_MAX_RESPONSE_FIELDS raises this limit",
    flags: "UPE",
  },
  upstream_timeout: { status: 504, text: "the service did not respond in time", flags: "SI" },
  try_timeout: {
    status: 504,
    text: "the service did not respond within the time limit of an attempt",
    flags: "UT",
    grpcStatus: DEADLINE_EXCEEDED,
  },
  route_timeout: {
    status: 504,
    text: "the service did not respond within the route's timeout",
    flags: "UT",
    grpcStatus: DEADLINE_EXCEEDED,
  },
} as const satisfies Record<string, ReplyText>;

export type FailureReason = keyof typeof FAILURES;

/** A local reply of the gateway. */
export interface GatewayReply extends LocalReply {
  /** Stable: a metric label. */
  readonly reason: string;
}

/** The client's request was malformed or too slow; the connection closes after this reply. */
export function faultReply({ code, status, message }: RequestFault): GatewayReply {
  return formatReply(code, { status, text: message, flags: code === "body_timeout" ? "SI" : "DPE" });
}

export function failureReply(reason: FailureReason): GatewayReply {
  return formatReply(reason, FAILURES[reason]);
}

/**
 * The local reply to an upstream failure. Names and addresses stay in the log: an external client receives the cause,
 * not details of the mesh. A dialler's reason that is not in the table above comes from the handshake.
 */
export function replyFromError(error: Error): GatewayReply {
  if (error instanceof UpstreamError) {
    return isFailure(error.code) ? failureReply(error.code) : formatReply(error.code, FAILURES.upstream_untrusted);
  }
  return failureReply(errnoOf(error)?.startsWith("HPE_") === true ? "upstream_malformed" : "upstream_reset");
}

/** The reply to a path that no normalisation makes safe. */
export function pathReply(): GatewayReply {
  return formatReply("path_normalization_failed", { status: 400, text: "the path contains %00", flags: "DPE" });
}

/** The reply to a request that the policies do not allow, or cannot judge. */
export function policyReply(reply: LocalReply): GatewayReply {
  return { ...reply, reason: reply.status === 403 ? "authorization_denied" : "ambiguous_field" };
}

/** The reply of a route that redirects. */
export function redirectReply(status: number, fields: readonly Field[]): GatewayReply {
  return { status, reason: "redirect", flags: "-", details: "", fields };
}

/** The reply of a route that injects a failure. */
export function abortReply(status: number, grpcStatus: GrpcStatus): GatewayReply {
  const reply = formatReply("fault_abort", { status, text: "the route asks for this failure", flags: "FI" });
  return { ...reply, grpcStatus };
}

/** Writes the reply, as `RequestRecord.answeredBy` returns it. `isLast`: the connection closes after it. */
export function writeReply(response: ServerResponse, reply: LocalReply, isLast: boolean): void {
  const { status, fields = [] } = reply;
  const content = responseContent(status);
  const text = replyContent(reply);
  const hasLength = content === "any" || content === "empty";
  if (text !== "") response.setHeader("content-type", "text/plain; charset=utf-8");
  if (hasLength) response.setHeader("content-length", Buffer.byteLength(text));
  for (const { name, value } of fields) response.appendHeader(name, value);
  if (isLast) response.setHeader("connection", "close");
  response.writeHead(status);
  response.end(text);
}

function formatReply(reason: string, { text, ...reply }: ReplyText): GatewayReply {
  return { ...reply, reason, details: `${reason}: ${text}` };
}

function isFailure(reason: string): reason is FailureReason {
  return Object.hasOwn(FAILURES, reason);
}
