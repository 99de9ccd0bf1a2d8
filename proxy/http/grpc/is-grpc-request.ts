import { isGrpcContentType } from "../../../mesh/policy/grpc/grpc-content-type.ts";
import type { RequestHead } from "../../messages/message-head.ts";

const CONTENT_TYPE = "content-type";
const LOWER_C = 0x63;
const LOWER_G = 0x67;
/** Where `application/grpc` differs from most other types: its `g`. */
const SUBTYPE_AT = 12;

/**
 * Whether a request is a call of gRPC: a POST with gRPC's content type, over any version of HTTP. Asked for every
 * request, so a POST of something else creates no text.
 */
export function isGrpcRequest({ method, fields }: Pick<RequestHead, "method" | "fields">): boolean {
  if (method !== "POST") return false;
  const { count } = fields;
  for (let index = 0; index < count; index += 1) {
    if (fields.nameCodeAt(index, 0) !== LOWER_C || fields.valueCodeAt(index, SUBTYPE_AT) !== LOWER_G) continue;
    if (fields.nameAt(index) === CONTENT_TYPE) return isGrpcContentType(fields.get(CONTENT_TYPE));
  }
  return false;
}
