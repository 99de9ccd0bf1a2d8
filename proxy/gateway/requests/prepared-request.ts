import type { Authorization } from "../../../mesh/policy/authorization/authorization.ts";
import { normalizePath } from "../../../mesh/policy/authorization/normalize-path.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { type ClientFacts, readClientFacts } from "./client-facts.ts";

/** A request in the one form in which it is judged, routed and forwarded: no server reads another one than a policy. */
export interface PreparedRequest {
  readonly head: RequestHead;
  readonly client: ClientFacts;
  /** Its path has no safe form: it gets 400, whatever policies and routes there are. */
  readonly isRefused: boolean;
}

export interface PrepareOptions {
  readonly settings: Pick<Authorization, "pathNormalization" | "numTrustedProxies">;
  /** Of the TCP connection. */
  readonly peerIp: string;
  readonly requestId: string;
}

/**
 * Normalises a request's path as the mesh demands (CVE-2021-31920), its host as routes compare it, except for the case
 * of letters (`shop.example.` is `shop.example`), and its scheme as trusted proxies report it.
 */
export function prepareRequest(received: RequestHead, options: PrepareOptions): PreparedRequest {
  const { settings, peerIp, requestId } = options;
  const { numTrustedProxies, pathNormalization } = settings;
  const client = readClientFacts({ head: received, peerIp, numTrustedProxies, requestId });
  const path = normalizePath(received.path, pathNormalization);
  const authority = received.authority.replace(FINAL_DOT, "");
  const head = { ...received, scheme: client.proto, authority, path: path ?? received.path };
  return { head, client, isRefused: path === undefined };
}

/** A name with and without it is the same (RFC 1034, section 3.1). */
const FINAL_DOT = /(?<=[^.])\.(?=$|:\d+$)/;
