import { formatGrpcMessage } from "../../../mesh/policy/grpc/grpc-message.ts";
import { grpcStatusFromHttp } from "../../../mesh/policy/grpc/grpc-status.ts";
import type { GrpcStatus } from "../../../mesh/resources/fields/grpc-status-names.ts";
import type { Field } from "../../messages/field-access.ts";
import { FieldList } from "../../messages/field-list.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { LocalReply } from "../../messages/local-reply.ts";

/**
 * A local reply as a client of gRPC reads it, over any version: 200 without content, with the status and the reason in
 * its head ("trailers-only"). A redirect stays what it is, as under Envoy.
 */
export function grpcReplyFrom(reply: LocalReply): LocalReply {
  if (reply.status >= 300 && reply.status < 400) return reply;
  const grpcStatus = reply.grpcStatus ?? grpcStatusFromHttp(reply.status);
  const fields = [
    { name: "content-type", value: "application/grpc" },
    ...statusFields(grpcStatus, reply.body ?? reply.details),
    ...(reply.fields ?? []),
  ];
  return { ...reply, status: 200, grpcStatus, details: "", body: "", fields };
}

/** Trailers that end a call with a status of the proxy's own. @param details the reason, as text. */
export function grpcTrailers(status: GrpcStatus, details: string): Trailers {
  const fields = statusFields(status, details);
  return new FieldList({
    names: fields.map(({ name }) => name),
    values: fields.map(({ value }) => value),
    neverIndexed: [],
  });
}

function statusFields(status: GrpcStatus, details: string): readonly Field[] {
  const code = { name: "grpc-status", value: String(status) };
  return details === "" ? [code] : [code, { name: "grpc-message", value: formatGrpcMessage(details) }];
}
