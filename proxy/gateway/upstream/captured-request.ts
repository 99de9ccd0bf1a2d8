import type { ClientRequest, IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import type { HostTarget } from "../../../mesh/policy/routing/host-target.ts";
import type { HeaderOperations } from "../../../mesh/policy/routing/http-route.ts";
import { foldHeaderName } from "../../../mesh/resources/fields/header-rules.ts";
import { UpstreamError } from "../../connections/upstream-dialer.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import type { ClientGuard } from "../fault-guard.ts";
import type { AcceptedRequest } from "../requests/accepted-request.ts";
import type { RequestRecord } from "../requests/request-record.ts";
import { FramedUpstream } from "./framed-upstream.ts";
import { pairTrailers } from "./relay-response.ts";
import type { UpstreamHeaders } from "./upstream-headers.ts";
import type { UpstreamAgent } from "./upstream-pool.ts";

/** One request to an upstream. */
export interface Forwarding {
  readonly request: IncomingMessage;
  /** As sent to the upstream: path and host may be rewritten by a route. */
  readonly accepted: AcceptedRequest;
  /** Before the route's operations. */
  readonly headers: UpstreamHeaders;
  /** Names that are removed from the head, as returned by `foldHeaderName`: trailers do not bring them back. */
  readonly removed: ReadonlySet<string>;
  readonly target: HostTarget;
  readonly agent: UpstreamAgent;
  readonly record: RequestRecord;
  readonly guard: ClientGuard;
  readonly messageLimits: Http1Limits;
  /** How long the upstream's connection may be silent while it has a request. */
  readonly upstreamIdleMs: number;
  /** The route's, on both heads. */
  readonly operations: readonly HeaderOperations[];
}

/** The target for http-proxy; the connection itself comes from the agent. */
export function targetOf({ host, port }: HostTarget): { protocol: string; host: string; port: number } {
  return { protocol: "http:", host, port };
}

/**
 * What http-proxy makes the request to the upstream from. It has no Expect: Node writes a head that contains one at once,
 * so that nothing below could be changed any more, and throws where it is tried; `captureRequest` adds it.
 */
export function headersForProxy({ expect: _expect, ...headers }: UpstreamHeaders): UpstreamHeaders {
  return headers;
}

/**
 * An agent that receives the request to the upstream before any byte is written, and fixes what http-proxy changed:
 * - the path, in which http-proxy joins slashes: routing and upstream must see the same path;
 * - the method, which Node writes in upper case, and the protocols of an upgrade, of which http-proxy supports only
 *   WebSocket;
 * - the framing of a chunked DELETE or OPTIONS, which http-proxy turns into `Content-Length: 0` while it still sends the
 *   body, so that the body becomes the next request on the connection (CVE-2026-29057).
 */
export function captureRequest(forwarding: Forwarding, onRequest: (outgoing: ClientRequest) => void): object {
  const { agent, accepted, headers, upstreamIdleMs, messageLimits } = forwarding;
  return {
    protocol: agent.protocol,
    defaultPort: agent.defaultPort,
    keepAlive: true,
    maxSockets: agent.maxSockets,
    addRequest(outgoing: ClientRequest, options: RequestOptions): void {
      const { guard } = forwarding;
      guard.watch(outgoing);
      // The first listeners: all later ones of the response are guarded.
      outgoing.once("response", (incoming) => guard.watch(incoming));
      outgoing.once("upgrade", (incoming) => guard.watch(incoming));
      outgoing.agent = agent;
      outgoing.path = accepted.path;
      outgoing.method = accepted.method;
      // The framer's limits apply; Node would silently drop what exceeds its own.
      outgoing.maxHeadersCount = 0;
      outgoing.maxHeaderSize = 2 * messageLimits.maxResponseHeadBytes;
      if (headers["expect"] !== undefined) outgoing.setHeader("expect", headers["expect"]);
      if (accepted.upgrade !== undefined) outgoing.setHeader("upgrade", accepted.upgrade);
      if (accepted.content.kind === "unknown") {
        outgoing.removeHeader("content-length");
        outgoing.setHeader("transfer-encoding", "chunked");
      }
      outgoing.setTimeout(upstreamIdleMs, () => {
        outgoing.destroy(new UpstreamError("upstream_timeout", `no byte from the upstream for ${upstreamIdleMs} ms`));
      });
      // Before http-proxy's own listener, which ends the request to the upstream.
      forwarding.request.once("end", () => outgoing.addTrailers(trailersOf(forwarding)));
      outgoing.once("socket", (socket) => takeUpstream(socket, forwarding));
      onRequest(outgoing);
      agent.addRequest(outgoing, options);
    },
  };
}

function trailersOf({ request, removed }: Forwarding): [string, string][] {
  return pairTrailers(request).filter(([name]) => !removed.has(foldHeaderName(name)));
}

/** Before any byte of the request is written. */
function takeUpstream(socket: Duplex, { accepted, agent, record }: Forwarding): void {
  record.servedBy(agent.connectionOf(socket));
  const request = { method: accepted.method, hasUpgrade: accepted.upgrade !== undefined };
  if (socket instanceof FramedUpstream) socket.expect(request);
}
