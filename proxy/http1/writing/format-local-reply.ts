import { type LocalReply, replyContent } from "../../messages/local-reply.ts";
import { responseContent } from "../../messages/response-content.ts";
import { deliveryField } from "../delivery-options.ts";
import { formatLines } from "./format-lines.ts";
import { REASON_PHRASES } from "./reason-phrases.ts";

export interface LocalReplyOptions {
  readonly close: boolean;
  /** An HTTP/1.0 client needs `Connection: keep-alive` to continue. */
  readonly keepsAlive?: boolean;
  readonly isHead: boolean;
}

/** The complete response, as latin1. A HEAD request gets only the head, as do statuses without content. */
export function formatLocalReply(reply: LocalReply, options: LocalReplyOptions): string {
  const { status, fields, report } = reply;
  const persistence = options.keepsAlive === true ? "connection: keep-alive\r\n" : "";
  const content = responseContent(status);
  const body = replyContent(reply);
  const hasLength = content === "any" || content === "empty";
  const head =
    `HTTP/1.1 ${status} ${REASON_PHRASES[status] ?? "Status"}\r\n` +
    `${hasLength ? `content-length: ${body.length}\r\n` : ""}${body === "" ? "" : "content-type: text/plain\r\n"}` +
    `${fields === undefined ? "" : formatLines(fields)}${report === undefined ? "" : formatLines([deliveryField(report)])}` +
    `${options.close ? "connection: close\r\n" : persistence}\r\n`;
  return options.isHead ? head : head + body;
}
