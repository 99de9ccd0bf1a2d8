import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { UpstreamError } from "../connections/upstream-dialer.ts";
import type { RequestFault } from "../http/downstream/downstream-options.ts";
import { responseContent } from "../http/response-content.ts";
import type { RequestFlags } from "../telemetry/request-meter.ts";

interface AnswerText {
  readonly status: number;
  readonly text: string;
  readonly flags: RequestFlags;
}

/** What the gateway says when it cannot serve a request; the connection goes on. */
const FAILURES = {
  no_host: { status: 404, text: "no such host here", flags: "NR" },
  no_route: { status: 404, text: "no route for this path", flags: "NR" },
  route_refused: { status: 503, text: "this route asks for something that is not supported", flags: "NR" },
  no_healthy_endpoint: { status: 503, text: "no healthy upstream: the service has no ready endpoint", flags: "UH" },
  refused_destination: { status: 503, text: "the mesh's policy does not let this service be reached", flags: "NR" },
  control_plane_away: { status: 503, text: "the control plane does not answer, and this service is new", flags: "UF" },
  no_svid: { status: 503, text: "the gateway has no valid certificate", flags: "UF" },
  connect_failed: { status: 503, text: "the service does not accept connections", flags: "UF" },
  upstream_untrusted: { status: 503, text: "mutual TLS with the service failed", flags: "UF" },
  upstream_reset: { status: 502, text: "the service closed the connection without an answer", flags: "UC" },
  upstream_malformed: { status: 502, text: "the service's answer is not HTTP/1.1", flags: "UPE" },
  upstream_head_too_large: {
    status: 502,
    text: "the head of the service's answer is too large; the gateway's ENTENTE_MAX_RESPONSE_HEAD_BYTES raises this limit",
    flags: "UPE",
  },
  upstream_too_many_fields: {
    status: 502,
    text: "the service's answer has too many fields; the gateway's ENTENTE_MAX_RESPONSE_FIELDS raises this limit",
    flags: "UPE",
  },
  upstream_timeout: { status: 504, text: "the service did not answer in time", flags: "SI" },
  try_timeout: { status: 504, text: "the service did not answer in the time of a try", flags: "UT" },
  route_timeout: { status: 504, text: "the service did not answer in the time that the route gives it", flags: "UT" },
} as const satisfies Record<string, AnswerText>;

export type FailureReason = keyof typeof FAILURES;

/** What the gateway answers by itself. */
export interface GatewayAnswer {
  readonly status: number;
  /** Stable: a metric label. */
  readonly reason: string;
  /** What the request metrics tell of it. */
  readonly flags: RequestFlags;
  readonly body: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** What the client sent is no request, or came too slowly; the connection ends with this answer. */
export function faultAnswer({ code, status, message }: RequestFault): GatewayAnswer {
  return formatAnswer(code, { status, text: message, flags: code === "body_timeout" ? "SI" : "DPE" });
}

export function failureAnswer(reason: FailureReason): GatewayAnswer {
  return formatAnswer(reason, FAILURES[reason]);
}

/**
 * What to say when the upstream failed. Names and addresses stay in the log: a stranger learns the cause, not the mesh.
 * A reason of the dialler that is not in the table above is one of the handshake's.
 */
export function answerFromError(error: Error): GatewayAnswer {
  if (error instanceof UpstreamError) {
    return isFailure(error.code) ? failureAnswer(error.code) : formatAnswer(error.code, FAILURES.upstream_untrusted);
  }
  return failureAnswer(errnoOf(error)?.startsWith("HPE_") === true ? "upstream_malformed" : "upstream_reset");
}

/** A route leads elsewhere. */
export function redirectAnswer(status: number, headers: OutgoingHttpHeaders): GatewayAnswer {
  return { status, reason: "redirect", flags: "-", body: "", headers };
}

/** A route asks for this failure. */
export function abortAnswer(status: number): GatewayAnswer {
  return formatAnswer("fault_abort", { status, text: "the route asks for this failure", flags: "FI" });
}

/** Writes the answer. `isLast` ends the connection after it. */
export function writeAnswer(response: ServerResponse, answer: GatewayAnswer, isLast: boolean): void {
  const { status, body, headers } = answer;
  const content = responseContent(status);
  const text = content === "any" ? body : "";
  const hasLength = content === "any" || content === "empty";
  response.writeHead(status, {
    ...headers,
    ...(text === "" ? {} : { "content-type": "text/plain; charset=utf-8" }),
    ...(hasLength ? { "content-length": Buffer.byteLength(text) } : {}),
    ...(isLast ? { connection: "close" } : {}),
  });
  response.end(text);
}

function formatAnswer(reason: string, { status, text, flags }: AnswerText): GatewayAnswer {
  return { status, reason, flags, body: `${reason}: ${text}\n` };
}

function isFailure(reason: string): reason is FailureReason {
  return Object.hasOwn(FAILURES, reason);
}
