import type { GrpcStatus } from "../../mesh/resources/fields/grpc-status-names.ts";
import type { RequestFlags } from "../telemetry/request-meter.ts";
import type { DeliveryReport } from "./delivery-report.ts";
import type { Field } from "./field-access.ts";
import { responseContent } from "./response-content.ts";

/** A response that the proxy creates itself (Envoy's local reply). The client's codec formats it. */
export interface LocalReply {
  readonly status: number;
  /** For a call of gRPC. @default the one that gRPC's clients read from `status` */
  readonly grpcStatus?: GrpcStatus;
  readonly flags: RequestFlags;
  /** The access log's details: begins with the cause. */
  readonly details: string;
  /** What the client reads, if that is not the details: the body, or the message of a call of gRPC. */
  readonly body?: string;
  readonly fields?: readonly Field[];
  /** For a verified client's sidecar. */
  readonly report?: DeliveryReport;
}

/** A local reply's content, as ASCII; empty if its status has none. A body goes out as it is, details as a line. */
export function replyContent({ status, details, body }: LocalReply): string {
  if (responseContent(status) !== "any") return "";
  if (body !== undefined) return printable(body);
  return details === "" ? "" : `${printable(details)}\n`;
}

/** Reasons contain our own text and the operating system's; nothing in them may break a line or a log. */
function printable(details: string): string {
  return details.replaceAll(/[^\x20-\x7e]/g, "?");
}
