import { type DeliveryReport, parseDeliveryReport } from "../../messages/delivery-report.ts";
import { FieldList } from "../../messages/field-list.ts";
import type { Content, ResponseHead } from "../../messages/message-head.ts";
import { isWithoutContent } from "../check-response.ts";
import type { Http2ResponseHead } from "../message-head.ts";
import { DELIVERY_FIELD } from "./delivery-field.ts";

const NO_CONTENT: Content = { kind: "none" };
const UNTIL_END: Content = { kind: "unknown", endsBy: "frames" };

/** What determines a response's content, besides its head. */
export interface ResponseFraming {
  /** The head is the whole response. */
  readonly endsStream: boolean;
  /** It responds to HEAD. */
  readonly toHead: boolean;
}

/**
 * A checked response of HTTP/2 as a response of any version. A sidecar's report of delivery is taken out of its fields:
 * it concerns this hop alone. A local reply has one: status 503, or a response to a call of gRPC, which is its head alone.
 */
export function responseHeadFrom(received: Http2ResponseHead, { endsStream, toHead }: ResponseFraming): ResponseHead {
  const { status } = received;
  return {
    version: "2",
    status,
    fields: fieldsFrom(received),
    content: endsStream || toHead || isWithoutContent(status) ? NO_CONTENT : contentFrom(received.contentLength),
    upgrade: undefined,
    report: status === 503 || (status === 200 && endsStream) ? reportFrom(received) : undefined,
  };
}

function contentFrom(contentLength: number | undefined): Content {
  return contentLength === undefined ? UNTIL_END : { kind: "length", length: contentLength };
}

function fieldsFrom(received: Http2ResponseHead): FieldList {
  const { names, values, neverIndexed } = received;
  if (!names.includes(DELIVERY_FIELD)) return new FieldList(received);
  const kept: Kept = { names: [], values: [], neverIndexed: [] };
  for (const [index, name] of names.entries()) {
    if (name === DELIVERY_FIELD) continue;
    if (neverIndexed.includes(index)) kept.neverIndexed.push(kept.names.length);
    kept.names.push(name);
    kept.values.push(values[index] ?? "");
  }
  return new FieldList(kept);
}

interface Kept {
  readonly names: string[];
  readonly values: string[];
  readonly neverIndexed: number[];
}

function reportFrom({ names, values }: Http2ResponseHead): DeliveryReport | undefined {
  return parseDeliveryReport(values[names.indexOf(DELIVERY_FIELD)] ?? "");
}
