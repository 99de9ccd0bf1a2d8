import type { IncomingMessage, ServerResponse } from "node:http";
import { foldHeaderOperations } from "../../../mesh/policy/routing/header-operations.ts";
import type { HeaderOperations } from "../../../mesh/policy/routing/http-route.ts";
import { responseContent } from "../../messages/response-content.ts";
import { editHeaders, isForwardedToClient, type UpstreamHeaders } from "./upstream-headers.ts";

export interface RelayOptions {
  /** The client's connection closes after this response. */
  readonly isLast: boolean;
  /** The route's operations on the response's head. */
  readonly operations: readonly HeaderOperations[];
  /** The upstream's response is incomplete. */
  readonly onBroken: () => void;
}

/** Relays an upstream's response to the client. One that breaks off must not look complete. */
export function relayResponse(incoming: IncomingMessage, response: ServerResponse, options: RelayOptions): void {
  const headers = answerHeaders(incoming, options.operations);
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader("connection", options.isLast ? "close" : "keep-alive");
  response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage || undefined);
  incoming.once("close", () => {
    if (incoming.complete) return;
    options.onBroken();
    response.destroy();
  });
  incoming.once("end", () => response.addTrailers(pairTrailers(incoming)));
  incoming.pipe(response);
}

/** A message's trailers, validated by the framer. Node sends them if the body is chunked. */
export function pairTrailers({ rawTrailers }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawTrailers.length; at += 2) pairs.push([rawTrailers[at] ?? "", rawTrailers[at + 1] ?? ""]);
  return pairs;
}

/**
 * A response's fields after the route's operations, without hop-by-hop fields and those of content that it cannot have.
 */
export function answerHeaders(incoming: IncomingMessage, operations: readonly HeaderOperations[]): UpstreamHeaders {
  const { headers, statusCode = 502 } = incoming;
  const hasLength = responseContent(statusCode) !== "forbidden";
  const kept: UpstreamHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name === "content-length" && !hasLength) continue;
    if (value !== undefined && isForwardedToClient(name, headers.connection)) kept[name] = value;
  }
  return operations.length === 0 ? kept : editHeaders(kept, foldHeaderOperations(operations, "response"));
}
