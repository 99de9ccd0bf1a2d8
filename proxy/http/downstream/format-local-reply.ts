import { deliveryField } from "../../http2/conversion/delivery-field.ts";
import type { Field } from "../../messages/field-access.ts";
import { type LocalReply, replyContent } from "../../messages/local-reply.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { responseContent } from "../../messages/response-content.ts";

/** The properties of a request that determine its local reply's form. */
export type RepliedRequest = Pick<RequestHead, "method" | "fields">;

/** A complete response of HTTP/2: its content is the end of the stream, and empty if the head is. */
export interface Http2Reply {
  readonly status: number;
  readonly fields: readonly Field[];
  readonly content: string;
}

/** A local reply as a client of HTTP/2 gets it. @param request `undefined`: its head was refused. */
export function formatLocalReply(reply: LocalReply, request: RepliedRequest | undefined): Http2Reply {
  const { status, fields = NO_FIELDS, report } = reply;
  const content = replyContent(reply);
  const allowed = responseContent(status);
  const own: Field[] = [];
  if (allowed === "any" || allowed === "empty") own.push({ name: "content-length", value: String(content.length) });
  if (content !== "") own.push({ name: "content-type", value: "text/plain" });
  own.push(...fields);
  if (report !== undefined) own.push(deliveryField(report));
  return { status, fields: own, content: request?.method === "HEAD" ? "" : content };
}

const NO_FIELDS: readonly Field[] = [];
