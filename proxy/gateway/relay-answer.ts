import type { IncomingMessage, ServerResponse } from "node:http";
import { foldHeaderOperations } from "../../mesh/policy/routing/header-operations.ts";
import type { HeaderOperations } from "../../mesh/policy/routing/http-route.ts";
import { responseContent } from "../http/response-content.ts";
import { editHeaders, isForwardedToClient, type UpstreamHeaders } from "./upstream-headers.ts";

export interface RelayOptions {
  /** The client's connection ends with this answer. */
  readonly isLast: boolean;
  /** What the route does to the answer's head. */
  readonly operations: readonly HeaderOperations[];
  /** The upstream has not said all that it began. */
  readonly onBroken: () => void;
}

/** Brings an upstream's answer to the client. One that breaks off must not look complete. */
export function relayAnswer(incoming: IncomingMessage, response: ServerResponse, options: RelayOptions): void {
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

/** A message's trailers, which the framer has judged. Node sends them where the body is in chunks. */
export function pairTrailers({ rawTrailers }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawTrailers.length; at += 2) pairs.push([rawTrailers[at] ?? "", rawTrailers[at + 1] ?? ""]);
  return pairs;
}

/** An answer's fields without those of the upstream's connection or of content that it cannot have, as the route changes them. */
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
