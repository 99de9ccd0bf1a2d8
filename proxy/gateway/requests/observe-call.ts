import type { IncomingMessage } from "node:http";
import type { RequestRecord } from "./request-record.ts";

/** The record of a request, which may be a call of gRPC. */
type ObservedRecord = Pick<RequestRecord, "call" | "reportMessages">;

/** Counts the messages that the client of a call of gRPC sends. Use it where something else reads the body, too. */
export function observeCallRequest(request: IncomingMessage, { call, reportMessages }: ObservedRecord): void {
  if (call === undefined) return;
  request.on("data", (bytes: Buffer) => {
    call.countRequest({ bytes, ranges: undefined });
    reportMessages();
  });
}

/** Counts the messages of the response that the client gets, and reads its status. As `observeCallRequest`. */
export function observeCallResponse(incoming: IncomingMessage, { call, reportMessages }: ObservedRecord): void {
  if (call === undefined) return;
  const noteStatus = (): void => call.noteStatus(textOf(incoming.headers), textOf(incoming.trailers));
  noteStatus();
  incoming.on("data", (bytes: Buffer) => {
    call.countResponse({ bytes, ranges: undefined });
    reportMessages();
  });
  incoming.once("end", noteStatus);
}

function textOf(fields: NodeJS.Dict<string | string[]>): string | undefined {
  const { "grpc-status": status } = fields;
  return typeof status === "string" ? status : undefined;
}
