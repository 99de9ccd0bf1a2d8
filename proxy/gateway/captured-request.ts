import type { ClientRequest, IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { HeaderOperations } from "../../mesh/policy/routing/http-route.ts";
import { UpstreamError } from "../connections/upstream-dialer.ts";
import type { Http1Limits } from "../http1/http1-limits.ts";
import type { AcceptedRequest } from "./accepted-request.ts";
import { FramedUpstream } from "./framed-upstream.ts";
import { pairTrailers } from "./relay-answer.ts";
import type { RequestRecord } from "./request-record.ts";
import type { UpstreamHeaders } from "./upstream-headers.ts";
import type { UpstreamAgent } from "./upstream-pool.ts";

/** One request on its way to an upstream. */
export interface Forwarding {
  readonly request: IncomingMessage;
  /** As the upstream is to get it: path and host may be a route's. */
  readonly accepted: AcceptedRequest;
  readonly headers: UpstreamHeaders;
  readonly target: HostTarget;
  readonly agent: UpstreamAgent;
  readonly record: RequestRecord;
  readonly messageLimits: Http1Limits;
  /** How long the upstream's connection may be silent while it has a request. */
  readonly upstreamIdleMs: number;
  /** What the route does to the answer's head. */
  readonly operations: readonly HeaderOperations[];
}

/** What http-proxy wants to know; the connection itself is the agent's matter. */
export function targetOf({ host, port }: HostTarget): { protocol: string; host: string; port: number } {
  return { protocol: "http:", host, port };
}

/**
 * What http-proxy makes the request to the upstream from. Without Expect: Node writes a head that has it at once, so that
 * nothing below could be changed any more, and throws for what tries; `captureRequest` adds it.
 */
export function headersForProxy({ expect: _expect, ...headers }: UpstreamHeaders): UpstreamHeaders {
  return headers;
}

/**
 * An agent that sees the request to the upstream before a byte of it is written, and mends what http-proxy did to it:
 * - the path, in which http-proxy joins slashes: routing and upstream must see the same one;
 * - the method, which Node writes in capitals, and the protocols of an upgrade, of which http-proxy knows WebSocket alone;
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
      outgoing.agent = agent;
      outgoing.path = accepted.path;
      outgoing.method = accepted.method;
      // The framer's limits hold; Node would drop what is beyond its own in silence.
      outgoing.maxHeadersCount = 0;
      outgoing.maxHeaderSize = 2 * messageLimits.maxResponseHeadBytes;
      if (headers["expect"] !== undefined) outgoing.setHeader("expect", headers["expect"]);
      if (accepted.upgrade !== undefined) outgoing.setHeader("upgrade", accepted.upgrade);
      if (accepted.framing.kind === "chunked") {
        outgoing.removeHeader("content-length");
        outgoing.setHeader("transfer-encoding", "chunked");
      }
      outgoing.setTimeout(upstreamIdleMs, () => {
        outgoing.destroy(new UpstreamError("upstream_timeout", `no byte from the upstream for ${upstreamIdleMs} ms`));
      });
      // Before http-proxy's own listener, which ends the request to the upstream.
      forwarding.request.once("end", () => outgoing.addTrailers(pairTrailers(forwarding.request)));
      outgoing.once("socket", (socket) => takeUpstream(socket, forwarding));
      onRequest(outgoing);
      agent.addRequest(outgoing, options);
    },
  };
}

/** Before a byte of the request is written. */
function takeUpstream(socket: Duplex, { accepted, agent, record }: Forwarding): void {
  record.servedBy(agent.connectionOf(socket));
  const request = { method: accepted.method, hasUpgrade: accepted.upgrade !== undefined };
  if (socket instanceof FramedUpstream) socket.expect(request);
}
