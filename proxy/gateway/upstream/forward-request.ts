import type { ClientRequest, IncomingMessage, InformationEvent, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type HttpProxy from "http-proxy";
import { foldHeaderOperations } from "../../../mesh/policy/routing/header-operations.ts";
import type { HttpRoute } from "../../../mesh/policy/routing/http-route.ts";
import type { Clock, Random, Timer } from "../../../mesh/runtime.ts";
import { UpstreamError } from "../../connections/upstream-dialer.ts";
import { retryPauseMs } from "../../http/exchange/decide-retry.ts";
import { withGrpcTimeout } from "../../http/grpc/grpc-deadline.ts";
import type { RequestFlags } from "../../telemetry/request-meter.ts";
import { failureReply, type GatewayReply, replyFromError } from "../gateway-reply.ts";
import { observeCallRequest, observeCallResponse } from "../requests/observe-call.ts";
import { captureRequest, type Forwarding, headersForProxy, targetOf } from "./captured-request.ts";
import { type AttemptResult, decideGatewayRetry, isRetryLimitExceeded } from "./decide-gateway-retry.ts";
import { KeptBody } from "./kept-body.ts";
import { relayResponse } from "./relay-response.ts";
import { editHeaders, type UpstreamHeaders } from "./upstream-headers.ts";

export interface ResponseForwarding extends Forwarding {
  readonly response: ServerResponse;
  readonly route: Pick<HttpRoute, "timeoutMs" | "retries">;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether the client's connection closes after this response; evaluated when the response arrives. */
  readonly isLast: () => boolean;
  /** Called for each attempt. */
  readonly onRequest: (outgoing: ClientRequest) => void;
  /** The upstream's response goes to the client. */
  readonly onResponse: (status: number) => void;
  /** There is no response from the upstream. The error is for the log. */
  readonly onFailure: (reply: GatewayReply, error: Error) => void;
}

/** Sends a request through http-proxy, retries it if that is safe or its route allows it, and relays the response. */
export function forwardRequest(proxy: HttpProxy, forwarding: ResponseForwarding): void {
  new ForwardedRequest(proxy, forwarding).start();
}

/** One attempt; its events are ignored after it was given up. */
interface Attempt {
  outgoing: ClientRequest | undefined;
  isGivenUp: boolean;
}

class ForwardedRequest {
  readonly #proxy: HttpProxy;
  readonly #forwarding: ResponseForwarding;
  readonly #timers = new Set<Timer>();
  #current: Attempt = { outgoing: undefined, isGivenUp: false };
  /** Retries that the route's policy has granted. */
  #granted = 0;
  #renewals = 0;
  #body: KeptBody | undefined;
  #isOver = false;

  constructor(proxy: HttpProxy, forwarding: ResponseForwarding) {
    this.#proxy = proxy;
    this.#forwarding = forwarding;
  }

  start(): void {
    const { request, response, accepted, record } = this.#forwarding;
    // http-proxy leaves the upstream's socket open when the client disconnects (its `aborted` event was last emitted
    // in Node 15.5), so every early end of the response ends the request to the upstream.
    response.once("close", () => this.#end(!response.writableFinished));
    // http-proxy adds its listeners to the client's request again with each attempt.
    request.setMaxListeners(0);
    if (accepted.content.kind !== "none") {
      this.#body = new KeptBody(request);
      observeCallRequest(request, record);
    }
    this.#startLimit();
    this.#try();
  }

  /** A call of gRPC is limited from its head on, by its client too; another request once it is complete. */
  #startLimit(): void {
    const { request, route, accepted, record, clock } = this.#forwarding;
    const { timeoutMs: routeMs } = route;
    const { call } = record;
    const timeoutMs = call === undefined ? routeMs : call.limitMs(routeMs, clock.monotonicMs());
    if (timeoutMs === undefined) return;
    const start = (): void => void this.#after(timeoutMs, () => this.#onTimeout(timeoutMs));
    if (call !== undefined || accepted.content.kind === "none") start();
    else request.once("end", start);
  }

  #try(): void {
    const { request, response, target, route } = this.#forwarding;
    const attempt: Attempt = { outgoing: undefined, isGivenUp: false };
    this.#current = attempt;
    const capturing = captureRequest(this.#forwarding, (outgoing) => {
      attempt.outgoing = outgoing;
      this.#forwarding.onRequest(outgoing);
      outgoing.on("information", (interim) => relayInterim(interim, this.#forwarding));
      outgoing.once("response", (incoming) => this.#onResponse(incoming, attempt));
      outgoing.once("upgrade", (_incoming, socket) => {
        // Unsolicited: Node would drop the connection silently, and http-proxy would leave the client waiting.
        socket.destroy();
        this.#onError(
          new UpstreamError("upstream_malformed", "the upstream switched protocols without a request to"),
          attempt,
        );
      });
      const limitMs = route.retries?.perTryTimeoutMs;
      if (limitMs !== undefined) this.#limitAttempt(attempt, outgoing, limitMs);
    });
    request.headers = headersForProxy(this.#attemptHeaders());
    // The response is relayed here: http-proxy could not withhold one for a retry.
    const options = { target: targetOf(target), agent: capturing, selfHandleResponse: true, ...this.#replayed() };
    this.#proxy.web(request, response, options, (error) => this.#onError(error, attempt));
  }

  #attemptHeaders(): UpstreamHeaders {
    const { headers, operations, record, route, clock } = this.#forwarding;
    const leftMs = record.call?.attemptMs(route.retries?.perTryTimeoutMs, clock.monotonicMs());
    const folded = foldHeaderOperations(operations, "request");
    return editHeaders(headers, leftMs === undefined ? folded : withGrpcTimeout(folded, leftMs));
  }

  /** Only a body that has been sent before comes from memory. */
  #replayed(): { readonly buffer?: Readable } {
    return this.#body === undefined || this.#renewals === 0 ? {} : { buffer: this.#body.replay() };
  }

  #limitAttempt(attempt: Attempt, outgoing: ClientRequest, limitMs: number): void {
    const timer = this.#after(limitMs, () => {
      this.#onError(new UpstreamError("try_timeout", `no response within the attempt's ${limitMs} ms`), attempt);
      outgoing.destroy();
    });
    outgoing.once("response", () => timer.cancel());
    outgoing.once("close", () => timer.cancel());
  }

  #onResponse(incoming: IncomingMessage, attempt: Attempt): void {
    if (this.#isOver || attempt.isGivenUp) return void incoming.destroy();
    const status = incoming.statusCode ?? 502;
    if (this.#retry({ kind: "status", status }, attempt)) return void incoming.destroy();
    const { request, response, isLast, operations, onResponse, record } = this.#forwarding;
    onResponse(status);
    observeCallResponse(incoming, record);
    const onBroken = (): void => record.endsWith("UC");
    relayResponse(incoming, response, { isLast: isLast() || isEndless(request, incoming), operations, onBroken });
  }

  #onError(error: Error, attempt: Attempt): void {
    const { response, onFailure } = this.#forwarding;
    if (this.#isOver || attempt.isGivenUp || response.writableEnded) return;
    if (response.headersSent || response.destroyed) return void this.#cut("UC");
    const wasReused = attempt.outgoing?.reusedSocket === true;
    if (this.#retry({ kind: "error", error, wasReused }, attempt)) return;
    attempt.isGivenUp = true;
    onFailure(replyFromError(error), error);
  }

  /** Whether the request is being retried. */
  #retry(end: AttemptResult, attempt: Attempt): boolean {
    const { accepted, route, agent, random, record } = this.#forwarding;
    const isReplayable = this.#body?.isReplayable !== false;
    const progress = { granted: this.#granted, renewals: this.#renewals, isReplayable };
    const input = { end, accepted, retries: route.retries, ...progress };
    const verdict = decideGatewayRetry(input);
    if (verdict === "none") {
      if (isRetryLimitExceeded(input)) record.retryLimitExceeded();
      return false;
    }
    attempt.isGivenUp = true;
    if (verdict === "renew") {
      this.#renewals += 1;
      // The other idle connections may be as old, or lead to the same endpoint.
      agent.closeIdle();
      this.#try();
    } else {
      this.#granted += 1;
      this.#after(retryPauseMs(this.#granted, random), () => this.#try());
    }
    return true;
  }

  #onTimeout(timeoutMs: number): void {
    const { response, onFailure } = this.#forwarding;
    // A partial response cannot be withdrawn, but it can be made recognisable as incomplete.
    if (response.headersSent) return void this.#cut("UT");
    this.#end(true);
    const message = `no response within the ${timeoutMs} ms of the route or of the call`;
    onFailure(failureReply("route_timeout"), new UpstreamError("route_timeout", message));
  }

  #cut(flags: RequestFlags): void {
    this.#forwarding.record.endsWith(flags);
    this.#forwarding.response.destroy();
  }

  #end(isCut: boolean): void {
    this.#isOver = true;
    for (const timer of this.#timers) timer.cancel();
    if (isCut) this.#current.outgoing?.destroy();
  }

  #after(delayMs: number, action: () => void): Timer {
    const timer = this.#forwarding.clock.setTimeout(() => {
      this.#timers.delete(timer);
      if (!this.#isOver && !this.#forwarding.response.writableEnded) this.#forwarding.guard.run(action);
    }, delayMs);
    this.#timers.add(timer);
    return timer;
  }
}

/**
 * Relays early hints to a client that supports interim responses (RFC 9110, section 15.2; RFC 8297). They are written
 * unchanged: `writeEarlyHints` throws for a Link that it rejects, here in an event, so a server could end the process.
 * Hints that the client does not read in time are omitted, as the RFC allows.
 */
function relayInterim(
  { statusCode, headers }: InformationEvent,
  { request, response }: Pick<ResponseForwarding, "request" | "response">,
): void {
  const { link } = headers;
  const { socket, headersSent } = response;
  if (statusCode !== 103 || link === undefined || request.httpVersion === "1.0" || headersSent) return;
  if (socket?.writable === true && !socket.writableNeedDrain) {
    socket.write(`HTTP/1.1 103 Early Hints\r\nlink: ${link}\r\n\r\n`, "latin1");
  }
}

/**
 * Whether an HTTP/1.0 client can recognise the response's end only by the connection's end: it has no chunked coding.
 */
function isEndless(request: IncomingMessage, incoming: IncomingMessage): boolean {
  return request.httpVersion === "1.0" && incoming.headers["content-length"] === undefined;
}
