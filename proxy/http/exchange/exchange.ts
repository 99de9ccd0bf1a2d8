import type { Timer } from "../../../mesh/runtime.ts";
import type { Http1Fault } from "../../http1/framer-events.ts";
import type { RequestHead, ResponseHead } from "../../http1/message-head.ts";
import { formatFlags, type RequestFlags } from "../../telemetry/request-meter.ts";
import { ResponseWriter } from "../downstream/response-writer.ts";
import type { HttpContext } from "../http-context.ts";
import { formatLocalReply, type LocalReply } from "../local-reply.ts";
import { type ExchangeClient, recordExchange, replyToFault } from "./exchange-client.ts";
import { type AttemptsOwner, RequestAttempts } from "./request-attempts.ts";
import type { RequestPlan } from "./request-plan.ts";

/**
 * One request and its response. Follows the request's plan, streams the response, and sends a local reply if there is
 * no upstream response. It ends exactly once: with a complete response, or with both connections cut.
 */
export class Exchange implements AttemptsOwner {
  readonly #client: ExchangeClient;
  readonly #context: HttpContext;
  readonly #head: RequestHead;
  readonly #startedAt: number;
  readonly #responseWriter: ResponseWriter;
  readonly #attempts: RequestAttempts;
  #plan: RequestPlan | undefined;
  #timeLimit: Timer | undefined;
  #delay: Timer | undefined;
  #requestBytes: number;
  #response: ResponseHead | undefined;
  #isStarted = false;
  #requestEnded: boolean;
  #closes = false;
  /** Bytes sent to the client after an upgrade. */
  #tunnelBytes = 0;
  #isOver = false;

  constructor(client: ExchangeClient, head: RequestHead, context: HttpContext) {
    this.#client = client;
    this.#head = head;
    this.#context = context;
    this.#startedAt = context.clock.monotonicMs();
    this.#responseWriter = new ResponseWriter(client.socket);
    this.#attempts = new RequestAttempts(this, head, context);
    this.#requestBytes = head.text.length;
    this.#requestEnded = head.framing.kind === "none";
  }

  /** Whether the request has been read completely. */
  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Starts the exchange, once everything that arrived with the head is buffered. */
  start(plan: RequestPlan | Promise<RequestPlan>): void {
    this.#isStarted = true;
    if (plan instanceof Promise) plan.then((decided) => this.#follow(decided)).catch((caught) => this.onFault(caught));
    else this.#follow(plan);
    const isWaiting = this.#attempts.socket === undefined;
    if (isWaiting && !this.#requestEnded && !this.#isOver) this.#client.pauseReading();
  }

  /** A piece of the request's body, with its chunk framing. */
  requestBody(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#requestBytes += bytes.length;
    if (!this.#attempts.send(bytes)) this.#client.pauseReading();
  }

  requestEnd(): void {
    this.#requestEnded = true;
  }

  /** The client disconnected or sent malformed bytes: the server must not receive a complete request. */
  clientDisconnected(flags: RequestFlags): void {
    this.#end(flags, "");
  }

  onClientDrain(): void {
    this.#attempts.socket?.resume();
  }

  onUpstreamDrain(): void {
    this.#client.resumeReading();
  }

  onSent(hasRoom: boolean): void {
    if (hasRoom && !this.#requestEnded) this.#client.resumeReading();
  }

  onFault(caught: unknown): void {
    this.onLocalReply(replyToFault(caught, this.#context));
  }

  onPacketStart(packet: Buffer): void {
    this.#responseWriter.startPacket(packet);
  }

  onPacketEnd(): void {
    this.#holdBack(this.#responseWriter.endPacket());
  }

  /** What the client sends in one packet also leaves in one. */
  setRequestBatch(isBatch: boolean): void {
    const socket = this.#attempts.socket;
    if (isBatch) socket?.cork();
    else socket?.uncork();
  }

  onResponseHead(head: ResponseHead): void {
    if (head.status < 200 && head.status !== 101) {
      if (this.#head.version === "1.1") this.#holdBack(this.#responseWriter.writeHead(head, { close: false }));
      return;
    }
    if (this.#attempts.retryResponse(head)) return;
    this.#response = head;
    const isSwitch = head.status === 101;
    this.#closes = !isSwitch && (endsByClose(head) || !this.#requestEnded || this.#client.mustClose());
    const headers = this.#plan?.kind === "forward" ? this.#plan.responseHeaders : undefined;
    this.#holdBack(
      this.#responseWriter.writeHead(head, { close: this.#closes, keepsAlive: this.#head.version === "1.0", headers }),
    );
    if (isSwitch) this.#switch();
  }

  onResponseBody(bytes: Buffer): void {
    this.#holdBack(this.#responseWriter.write(bytes));
  }

  onResponseEnd(): void {
    if (this.#response === undefined) return;
    this.#end("-", "");
  }

  onUpstreamLost(fault: Http1Fault | undefined): void {
    if (this.#response !== undefined) {
      this.#end(fault === undefined ? "UC" : "UPE", "");
    } else if (fault !== undefined) {
      this.onLocalReply({ status: 502, flags: "UPE", details: `upstream protocol: ${fault.message}` });
    } else if (!this.#attempts.retryLost()) {
      this.onLocalReply(this.#attempts.lostReply());
    }
  }

  #follow(plan: RequestPlan): void {
    if (this.#isOver) {
      if (plan.kind === "forward") plan.onOver?.();
      return;
    }
    this.#plan = plan;
    if (plan.kind === "forward" && plan.timeoutMs !== undefined) {
      this.#timeLimit = this.#context.clock.setTimeout(() => this.#timedOut(), plan.timeoutMs);
    }
    if (plan.delayMs === undefined) this.#go(plan);
    else this.#delay = this.#context.clock.setTimeout(() => this.#go(plan), plan.delayMs);
  }

  #go(plan: RequestPlan): void {
    if (plan.kind === "local_reply") this.onLocalReply(plan.reply);
    else this.#attempts.begin(plan, this.#context.limits.maxReplayBytes);
  }

  /** Backpressure: a client that does not read pauses its upstream. */
  #holdBack(hasRoom: boolean): void {
    if (!hasRoom) this.#attempts.socket?.pause();
  }

  #timedOut(): void {
    if (this.#response !== undefined) this.#end("UT", "");
    else this.onLocalReply({ status: 504, flags: "UT", details: "upstream timeout: the route's timeout is exceeded" });
  }

  onLocalReply(reply: LocalReply): void {
    if (this.#isOver) return;
    if (this.#response !== undefined) {
      this.#end(reply.flags, reply.details);
      return;
    }
    this.#closes = !this.#requestEnded || this.#client.mustClose();
    const isHead = this.#head.method === "HEAD";
    this.#attempts.drop();
    const keepsAlive = this.#head.version === "1.0";
    this.#responseWriter.write(formatLocalReply(reply, { close: this.#closes, keepsAlive, isHead }));
    this.#responseWriter.flush();
    this.#finish(reply.status, reply.flags, reply.details);
    this.#client.exchangeOver(this.#closes);
  }

  /** Ends an exchange whose response has begun, or whose client has disconnected. */
  #end(flags: RequestFlags, details: string): void {
    if (this.#isOver) return;
    this.#holdBack(this.#responseWriter.flush());
    const isWhole = flags === "-";
    this.#finish(this.#response?.status ?? 0, flags, details);
    if (isWhole && this.#requestEnded) this.#attempts.release();
    else this.#attempts.drop();
    if (isWhole) this.#client.exchangeOver(this.#closes);
    else this.#client.abort();
  }

  #switch(): void {
    this.#holdBack(this.#responseWriter.flush());
    const tunnel = this.#attempts.detach();
    if (tunnel === undefined) return;
    this.#timeLimit?.cancel();
    this.#client.tunnelTo(tunnel, (bytes) => {
      this.#requestBytes += bytes.received;
      this.#tunnelBytes = bytes.sent;
      this.#finish(101, "-", "");
    });
  }

  /** @param status of the response that the client got, or 0. */
  #finish(status: number, flags: RequestFlags, details: string): void {
    this.#isOver = true;
    this.#timeLimit?.cancel();
    this.#delay?.cancel();
    this.#attempts.stop();
    if (this.#plan?.kind === "forward") this.#plan.onOver?.();
    recordExchange(this.#client, this.#context, {
      head: this.#head,
      plan: this.#plan,
      upstream: this.#attempts.upstream,
      status,
      flags: formatFlags(flags, {
        isDelayed: this.#delay !== undefined,
        isRetryLimitExceeded: this.#attempts.isRetryLimitExceeded,
      }),
      details,
      durationMs: this.#context.clock.monotonicMs() - this.#startedAt,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseWriter.bytes + this.#tunnelBytes,
    });
  }
}

/**
 * Whether its body ends with the connection: it has no length, or loses its chunk framing for a client without chunked
 * support.
 */
function endsByClose({ framing }: ResponseHead): boolean {
  return framing.kind === "until_close" || (framing.kind === "chunked" && framing.forwards === "content");
}
