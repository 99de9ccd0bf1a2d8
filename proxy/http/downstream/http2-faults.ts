import type { Http2Event } from "../../http2/connection/http2-events.ts";
import { ERROR_CODE } from "../../http2/frames/frame-types.ts";
import { HTTP2_LIMITS, type Http2Limits, MESH_HTTP2_LIMITS } from "../../http2/http2-limits.ts";
import type { MalformedMessage } from "../../http2/message-head.ts";
import type { HttpContext } from "../http-context.ts";
import type { DownstreamOptions, RequestFault } from "./downstream-options.ts";

type Event = Http2Event<unknown, unknown>;

/**
 * The limits of a client's connection: the pod's own application and verified peers carry the requests of many. The
 * sizes of a head are those of HTTP/1.1, which an operator may raise.
 */
export function http2LimitsFor({ facts, context }: Pick<DownstreamOptions, "facts" | "context">): Http2Limits {
  const isOfMesh = facts.direction === "outbound" || facts.peer !== "";
  const limits = isOfMesh ? MESH_HTTP2_LIMITS : HTTP2_LIMITS;
  return { ...limits, headers: { ...limits.headers, ...headerLimitsOf(context) } };
}

function headerLimitsOf({ messageLimits }: Pick<HttpContext, "messageLimits">) {
  const { maxRequestHeadBytes, maxRequestFields } = messageLimits;
  // RFC 9113 §6.5.2 counts 32 bytes for each field.
  const maxListBytes = maxRequestHeadBytes + 32 * maxRequestFields;
  return { maxBlockBytes: maxListBytes, maxListBytes, maxFields: maxRequestFields };
}

/** A request that never became a stream. */
export function faultOfRejected({ code, message }: MalformedMessage): RequestFault {
  return { code, message, status: code === "too_large" ? 431 : 0 };
}

/** Why a stream was reset, if its client broke a rule. */
export function faultOfReset({ cause, fault }: Extract<Event, { kind: "reset" }>): RequestFault | undefined {
  if (cause !== "fault") return undefined;
  return { code: fault?.code ?? "http2_stream_error", message: fault?.message ?? "a frame out of place", status: 0 };
}

/** Why the connection failed. */
export function faultOfConnection({ code, message }: Extract<Event, { kind: "failed" }>): RequestFault {
  switch (code) {
    case ERROR_CODE.enhanceYourCalm:
      return { code: "http2_flood", message, status: 0 };
    case ERROR_CODE.settingsTimeout:
      return { code: "http2_settings_timeout", message, status: 0 };
    default:
      return { code: "http2_connection_error", message, status: 0 };
  }
}

/** Counts a malformed request without an exchange, as HTTP/1.1's are. */
export function countRefused({ facts }: Pick<DownstreamOptions, "facts">, { status }: RequestFault): void {
  facts.meter().count({ status, flags: "DPE", durationMs: 0, requestBytes: 0, responseBytes: 0 });
}
