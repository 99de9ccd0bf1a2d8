import type { RequestFlags } from "../telemetry/request-meter.ts";
import { responseContent } from "./response-content.ts";

/** A response that the proxy creates itself (Envoy's local reply). */
export interface LocalReply {
  readonly status: number;
  readonly flags: RequestFlags;
  /** The body, and the access log's details: begins with the cause. */
  readonly details: string;
  /** Further field lines, each with its CRLF. */
  readonly fields?: string;
}

const REASON_PHRASES: Readonly<Record<number, string>> = {
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  413: "Content Too Large",
  414: "URI Too Long",
  417: "Expectation Failed",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};

export interface LocalReplyOptions {
  readonly close: boolean;
  /** An HTTP/1.0 client needs `Connection: keep-alive` to continue. */
  readonly keepsAlive?: boolean;
  readonly isHead: boolean;
}

/** The complete response, as latin1. A HEAD request gets only the head, as do statuses without content. */
export function formatLocalReply(reply: LocalReply, options: LocalReplyOptions): string {
  const persistence = options.keepsAlive === true ? "connection: keep-alive\r\n" : "";
  const content = responseContent(reply.status);
  const body = content !== "any" || reply.details === "" ? "" : `${printable(reply.details)}\n`;
  const hasLength = content === "any" || content === "empty";
  const head =
    `HTTP/1.1 ${reply.status} ${REASON_PHRASES[reply.status] ?? "Status"}\r\n` +
    `${hasLength ? `content-length: ${body.length}\r\n` : ""}${body === "" ? "" : "content-type: text/plain\r\n"}` +
    `${reply.fields ?? ""}${options.close ? "connection: close\r\n" : persistence}\r\n`;
  return options.isHead ? head : head + body;
}

/** Reasons contain our own text and the operating system's; nothing in them may break a line or a log. */
function printable(details: string): string {
  return details.replaceAll(/[^\x20-\x7e]/g, "?");
}

/** Why dialling an upstream failed. */
export type UpstreamFailureKind = "no_healthy_endpoint" | "connect" | "tls" | "refused";

/** Istio's flags and our words for an upstream that could not be dialled. */
export function replyToDialFailure(kind: UpstreamFailureKind, message: string): LocalReply {
  switch (kind) {
    case "no_healthy_endpoint":
      return { status: 503, flags: "UH", details: `no healthy endpoint: ${message}` };
    case "connect":
      return { status: 503, flags: "UF", details: `upstream connect: ${message}` };
    case "tls":
      return { status: 503, flags: "UF", details: `mTLS refused: ${message}` };
    case "refused":
      return { status: 503, flags: "NR", details: `destination refused: ${message}` };
  }
}
