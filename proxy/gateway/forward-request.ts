import type { ClientRequest, IncomingMessage, InformationEvent, ServerResponse } from "node:http";
import type HttpProxy from "http-proxy";
import type { HttpRoute } from "../../mesh/policy/routing/http-route.ts";
import type { Clock, Random, Timer } from "../../mesh/runtime.ts";
import { UpstreamError } from "../connections/upstream-dialer.ts";
import { retryPauseMs } from "../http/exchange/decide-retry.ts";
import type { RequestFlags } from "../telemetry/request-meter.ts";
import { captureRequest, type Forwarding, headersForProxy, targetOf } from "./captured-request.ts";
import { decideGatewayRetry, type GatewayTryEnd, isOutOfTries, isRetryLimitExceeded } from "./decide-gateway-retry.ts";
import { answerFromError, failureAnswer, type GatewayAnswer } from "./gateway-answer.ts";
import { relayAnswer } from "./relay-answer.ts";

export interface ResponseForwarding extends Forwarding {
  readonly response: ServerResponse;
  readonly route: Pick<HttpRoute, "timeoutMs" | "retries">;
  readonly clock: Clock;
  readonly random: Random;
  /** Whether the client's connection ends with this answer; asked when the answer is there. */
  readonly isLast: () => boolean;
  /** Called for each try. */
  readonly onRequest: (outgoing: ClientRequest) => void;
  /** The upstream's answer goes to the client. */
  readonly onAnswer: (status: number) => void;
  /** There is no answer of the upstream's. The error is for the log. */
  readonly onFailure: (answer: GatewayAnswer, error: Error) => void;
}

/** Sends a request through http-proxy, again where that is safe or its route says so, and brings the answer back. */
export function forwardRequest(proxy: HttpProxy, forwarding: ResponseForwarding): void {
  new ForwardedRequest(proxy, forwarding).start();
}

/** One try; what is heard of it after it was given up does not count. */
interface Try {
  outgoing: ClientRequest | undefined;
  isGivenUp: boolean;
}

class ForwardedRequest {
  readonly #proxy: HttpProxy;
  readonly #forwarding: ResponseForwarding;
  readonly #timers = new Set<Timer>();
  #current: Try = { outgoing: undefined, isGivenUp: false };
  /** Tries that the route's rule has granted. */
  #granted = 0;
  #wasRenewed = false;
  #isOver = false;

  constructor(proxy: HttpProxy, forwarding: ResponseForwarding) {
    this.#proxy = proxy;
    this.#forwarding = forwarding;
  }

  start(): void {
    const { request, response, route, accepted } = this.#forwarding;
    // http-proxy leaves the upstream's socket open when the client goes away (its `aborted` event came for the last time
    // in Node 15.5): whatever ends the answer early ends the request to the upstream.
    response.once("close", () => this.#end(!response.writableFinished));
    // http-proxy listens to the client's request anew with each try.
    if (route.retries !== undefined) request.setMaxListeners(0);
    const { timeoutMs } = route;
    if (timeoutMs !== undefined) {
      if (accepted.framing.kind === "none") this.#after(timeoutMs, () => this.#onTimeout(timeoutMs));
      else request.once("end", () => this.#after(timeoutMs, () => this.#onTimeout(timeoutMs)));
    }
    this.#try();
  }

  #try(): void {
    const { request, response, headers, target, route } = this.#forwarding;
    const attempt: Try = { outgoing: undefined, isGivenUp: false };
    this.#current = attempt;
    const capturing = captureRequest(this.#forwarding, (outgoing) => {
      attempt.outgoing = outgoing;
      this.#forwarding.onRequest(outgoing);
      outgoing.on("information", (interim) => relayInterim(interim, this.#forwarding));
      outgoing.once("response", (incoming) => this.#onResponse(incoming, attempt));
      outgoing.once("upgrade", (_incoming, socket) => {
        // Nobody asked for it; Node would drop the connection without a word, and http-proxy leave the client waiting.
        socket.destroy();
        this.#onError(new UpstreamError("upstream_malformed", "the upstream switched protocols unasked"), attempt);
      });
      const limitMs = route.retries?.perTryTimeoutMs;
      if (limitMs !== undefined) this.#limitTry(attempt, outgoing, limitMs);
    });
    request.headers = headersForProxy(headers);
    // The answer is relayed here: http-proxy could not take one back for another try.
    const options = { target: targetOf(target), agent: capturing, selfHandleResponse: true };
    this.#proxy.web(request, response, options, (error) => this.#onError(error, attempt));
  }

  #limitTry(attempt: Try, outgoing: ClientRequest, limitMs: number): void {
    const timer = this.#after(limitMs, () => {
      this.#onError(new UpstreamError("try_timeout", `no answer within the try's ${limitMs} ms`), attempt);
      outgoing.destroy();
    });
    outgoing.once("response", () => timer.cancel());
    outgoing.once("close", () => timer.cancel());
  }

  #onResponse(incoming: IncomingMessage, attempt: Try): void {
    if (this.#isOver || attempt.isGivenUp) return void incoming.destroy();
    const status = incoming.statusCode ?? 502;
    if (this.#tryAgain({ kind: "status", status }, attempt)) return void incoming.destroy();
    const { request, response, isLast, operations, onAnswer, record } = this.#forwarding;
    onAnswer(status);
    const onBroken = (): void => record.endsWith("UC");
    relayAnswer(incoming, response, { isLast: isLast() || isEndless(request, incoming), operations, onBroken });
  }

  #onError(error: Error, attempt: Try): void {
    const { response, onFailure } = this.#forwarding;
    if (this.#isOver || attempt.isGivenUp || response.writableEnded) return;
    if (response.headersSent || response.destroyed) return void this.#cut("UC");
    const wasReused = attempt.outgoing?.reusedSocket === true;
    if (this.#tryAgain({ kind: "error", error, wasReused }, attempt)) return;
    attempt.isGivenUp = true;
    onFailure(answerFromError(error), error);
  }

  /** Whether another try is on its way. */
  #tryAgain(end: GatewayTryEnd, attempt: Try): boolean {
    const { accepted, route, agent, random, record } = this.#forwarding;
    const input = { end, accepted, retries: route.retries, granted: this.#granted, wasRenewed: this.#wasRenewed };
    const verdict = decideGatewayRetry(input);
    if (verdict === "none") {
      if (isRetryLimitExceeded(input)) record.outOfTries();
      return false;
    }
    attempt.isGivenUp = true;
    if (verdict === "renew") {
      // The server saw nothing of this request; the other kept connections may be as old.
      this.#wasRenewed = true;
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
    // Half an answer cannot be taken back, but it can be seen to be half.
    if (response.headersSent) return void this.#cut("UT");
    this.#end(true);
    const message = `no answer within the route's ${timeoutMs} ms`;
    onFailure(failureAnswer("route_timeout"), new UpstreamError("route_timeout", message));
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
      if (!this.#isOver) action();
    }, delayMs);
    this.#timers.add(timer);
    return timer;
  }
}

/**
 * Brings early hints to a client that knows interim answers (RFC 9110, section 15.2; RFC 8297). They are written as they
 * are: `writeEarlyHints` throws for a Link that it does not like, here in an event, and so a server could end the process.
 * Hints that the client does not take in time are left out, as the RFC allows.
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

/** Whether an HTTP/1.0 client can see where the answer ends only by the connection's end: it knows no chunks. */
function isEndless(request: IncomingMessage, incoming: IncomingMessage): boolean {
  return request.httpVersion === "1.0" && incoming.headers["content-length"] === undefined;
}
