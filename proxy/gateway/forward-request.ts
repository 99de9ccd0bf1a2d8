import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { RequestOptions } from "node:https";
import type HttpProxy from "http-proxy";
import type { HostTarget } from "../../mesh/policy/types.ts";
import { answerFromError, type GatewayAnswer } from "./gateway-answer.ts";
import type { AcceptedRequest } from "./judge-request.ts";
import { UpstreamError } from "./upstream-dialer.ts";
import { isForwardedToClient, type UpstreamHeaders } from "./upstream-headers.ts";
import type { UpstreamAgent } from "./upstream-pool.ts";

/** One request on its way to an upstream. */
export interface Forwarding {
  readonly request: IncomingMessage;
  readonly accepted: AcceptedRequest;
  readonly headers: UpstreamHeaders;
  readonly target: HostTarget;
  readonly agent: UpstreamAgent;
  /** How long the upstream's connection may be silent while it has a request. */
  readonly upstreamIdleMs: number;
}

export interface ResponseForwarding extends Forwarding {
  readonly response: ServerResponse;
  /** Whether the client's connection ends with this answer; asked when the answer is there. */
  readonly isLast: () => boolean;
  readonly onRequest: (outgoing: ClientRequest) => void;
  /** The upstream failed before it answered. The error is for the log. */
  readonly onFailure: (answer: GatewayAnswer, error: Error) => void;
}

/** Safe to send twice (RFC 9110, section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]);

/** Sends a request through http-proxy and brings the answer back. */
export function forwardRequest(proxy: HttpProxy, forwarding: ResponseForwarding): void {
  attempt(proxy, forwarding, true);
}

function attempt(proxy: HttpProxy, forwarding: ResponseForwarding, mayRetry: boolean): void {
  const { request, response, accepted, headers, target, agent } = forwarding;
  let outgoing: ClientRequest | undefined;
  // http-proxy leaves the upstream's socket open when the client goes away (its `aborted` event came for the last time
  // in Node 15.5): whatever ends the answer early ends the request to the upstream.
  response.once("close", () => {
    if (!response.writableFinished) outgoing?.destroy();
  });
  const capturing = captureRequest(forwarding, (captured) => {
    outgoing = captured;
    forwarding.onRequest(captured);
    captured.once("response", (incoming) => prepareAnswer(incoming, forwarding));
    captured.once("upgrade", (_incoming, socket) => {
      // Nobody asked for it; Node would drop the connection without a word, and http-proxy would leave the client waiting.
      socket.destroy();
      onError(new UpstreamError("upstream_malformed", "the upstream switched protocols unasked"));
    });
  });
  request.headers = headers;
  const onError = (error: Error): void => {
    if (response.writableEnded) return;
    if (response.headersSent || response.destroyed) return void response.destroy();
    // A kept connection that the server closed just now: it saw nothing of this request, and there is no body to repeat.
    const isStale = outgoing?.reusedSocket === true && !(error instanceof UpstreamError);
    if (mayRetry && isStale && accepted.framing.kind === "none" && IDEMPOTENT.has(accepted.method)) {
      agent.closeIdle();
      attempt(proxy, forwarding, false);
    } else {
      forwarding.onFailure(answerFromError(error), error);
    }
  };
  proxy.web(request, response, { target: targetOf(target), agent: capturing }, onError);
}

/** What http-proxy wants to know; the connection itself is the agent's matter. */
export function targetOf({ host, port }: HostTarget): { protocol: string; host: string; port: number } {
  return { protocol: "http:", host, port };
}

/**
 * An agent that sees the request to the upstream before a byte of it is written, and mends what http-proxy did to it:
 * - the path, in which http-proxy joins slashes: routing and upstream must see the same one;
 * - the framing of a chunked DELETE or OPTIONS, which http-proxy turns into `Content-Length: 0` while it still sends the
 *   body, so that the body becomes the next request on the connection (CVE-2026-29057).
 */
export function captureRequest(forwarding: Forwarding, onRequest: (outgoing: ClientRequest) => void): object {
  const { agent, accepted, upstreamIdleMs } = forwarding;
  return {
    protocol: agent.protocol,
    defaultPort: agent.defaultPort,
    keepAlive: true,
    maxSockets: agent.maxSockets,
    addRequest(outgoing: ClientRequest, options: RequestOptions): void {
      outgoing.agent = agent;
      outgoing.path = accepted.path;
      if (accepted.framing.kind === "chunked") {
        outgoing.removeHeader("content-length");
        outgoing.setHeader("transfer-encoding", "chunked");
      }
      outgoing.setTimeout(upstreamIdleMs, () => {
        outgoing.destroy(new UpstreamError("upstream_timeout", `no byte from the upstream for ${upstreamIdleMs} ms`));
      });
      onRequest(outgoing);
      agent.addRequest(outgoing, options);
    },
  };
}

/** Runs before http-proxy copies the answer's head. */
function prepareAnswer(incoming: IncomingMessage, { response, isLast }: ResponseForwarding): void {
  const { headers } = incoming;
  const { connection } = headers;
  for (const name of Object.keys(headers)) if (!isForwardedToClient(name, connection)) delete headers[name];
  // http-proxy writes `keep-alive` where nothing is said, and Node would follow it.
  headers.connection = isLast() ? "close" : "keep-alive";
  // An answer that breaks off must not look complete, and http-proxy would leave the client waiting for its end.
  incoming.once("close", () => {
    if (!incoming.complete) response.destroy();
  });
}
