import type { Timer } from "../../mesh/runtime.ts";
import type { Http1Fault } from "../http1/framer-events.ts";
import type { RequestHead, ResponseHead } from "../http1/message-head.ts";
import type { RequestFlags } from "../telemetry/request-meter.ts";
import { decideRetry, type TryFailure } from "./decide-retry.ts";
import { type ExchangeClient, recordExchange } from "./exchange-client.ts";
import { HeldBody } from "./held-body.ts";
import type { HttpContext } from "./http-context.ts";
import { answerForDialFailure, formatLocalAnswer, type LocalAnswer } from "./local-answer.ts";
import { PacketWriter } from "./packet-writer.ts";
import type { ForwardPlan, RequestPlan } from "./request-plan.ts";
import { ResponseWriter } from "./response-writer.ts";
import { rewriteRequestHead } from "./rewrite-head.ts";
import type { ResponseSink } from "./upstream-connection.ts";
import type { TakenUpstream, UpstreamFailure } from "./upstream-pool.ts";

const NO_CHUNKS: readonly Buffer[] = [];

/** Base of the pause before another try (Envoy: 25 ms, doubled each time, with jitter). */
const RETRY_PAUSE_MS = 25;

/**
 * One request and its answer: finds an upstream, sends, forwards what comes back as it comes, tries again where that
 * is safe or a rule says so, and answers by itself where there is nobody else to. Whatever happens it ends exactly
 * once: with a whole answer, or with both connections cut.
 */
export class Exchange implements ResponseSink {
  readonly #client: ExchangeClient;
  readonly #context: HttpContext;
  readonly #head: RequestHead;
  readonly #startedAt: number;
  readonly #answerWriter: ResponseWriter;
  #plan: RequestPlan | undefined;
  #taken: TakenUpstream | undefined;
  #dialling: AbortController | undefined;
  #body: HeldBody | undefined;
  #timer: Timer | undefined;
  #tryTimer: Timer | undefined;
  #tries = 0;
  #requestBytes: number;
  #response: ResponseHead | undefined;
  #isStarted = false;
  #requestEnded: boolean;
  #closes = false;
  /** What went to the client after a switch of protocols. */
  #tunnelBytes = 0;
  #isOver = false;

  constructor(client: ExchangeClient, head: RequestHead, context: HttpContext) {
    this.#client = client;
    this.#head = head;
    this.#context = context;
    this.#startedAt = context.monotonicMs();
    this.#answerWriter = new ResponseWriter(client.socket);
    this.#requestBytes = head.text.length;
    this.#requestEnded = head.framing.kind === "none";
  }

  /** Whether the client may go on sending its body; the other way round the request is whole. */
  get requestEnded(): boolean {
    return this.#requestEnded;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Begins, when what came together with the head is there, too. */
  start(plan: RequestPlan | Promise<RequestPlan>): void {
    this.#isStarted = true;
    if (plan instanceof Promise) void plan.then((decided) => this.#follow(decided));
    else this.#follow(plan);
    if (this.#taken === undefined && !this.#requestEnded && !this.#isOver) this.#client.pauseReading();
  }

  /** A piece of the request's body, with its chunk framing. */
  requestBody(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#requestBytes += bytes.length;
    const connection = this.#taken?.connection;
    if (connection === undefined) {
      this.#held().add(bytes);
      return;
    }
    this.#held().passed(bytes);
    if (!connection.socket.write(bytes)) this.#client.pauseReading();
  }

  requestEnd(): void {
    this.#requestEnded = true;
  }

  /** The client is gone or does not speak HTTP: the server must not take what it has for a whole request. */
  clientGone(flags: RequestFlags): void {
    this.#end(flags, "");
  }

  onClientDrain(): void {
    this.#taken?.connection.socket.resume();
  }

  onUpstreamDrain(): void {
    this.#client.resumeReading();
  }

  onPacketStart(packet: Buffer): void {
    this.#answerWriter.startPacket(packet);
  }

  onPacketEnd(): void {
    this.#holdBack(this.#answerWriter.endPacket());
  }

  /** What the client sends in one packet leaves in one, too. */
  setRequestBatch(isBatch: boolean): void {
    const socket = this.#taken?.connection.socket;
    if (isBatch) socket?.cork();
    else socket?.uncork();
  }

  onResponseHead(head: ResponseHead): void {
    if (head.status < 200 && head.status !== 101) {
      if (this.#head.version === "1.1") this.#holdBack(this.#answerWriter.writeHead(head, { close: false }));
      return;
    }
    this.#tryTimer?.cancel();
    if (this.#plan?.kind === "forward" && this.#plan.retries?.onStatus(head.status) === true) {
      if (this.#retry({ kind: "status", status: head.status })) return;
    }
    if (this.#head.version === "1.0" && head.framing.kind === "chunked") {
      this.#answer({ status: 502, flags: "UPE", details: "upstream protocol: a chunked answer to HTTP/1.0" });
      return;
    }
    this.#response = head;
    const isSwitch = head.status === 101;
    this.#closes =
      !isSwitch && (head.framing.kind === "until_close" || !this.#requestEnded || this.#client.mustClose());
    const headers = this.#plan?.kind === "forward" ? this.#plan.responseHeaders : undefined;
    this.#holdBack(this.#answerWriter.writeHead(head, { close: this.#closes, headers }));
    if (isSwitch) this.#switch();
  }

  onResponseBody(bytes: Buffer): void {
    this.#holdBack(this.#answerWriter.write(bytes));
  }

  onResponseEnd(): void {
    if (this.#response === undefined) return;
    this.#end("-", "");
  }

  onUpstreamLost(fault: Http1Fault | undefined): void {
    const wasReused = this.#taken?.connection.isReused === true;
    if (this.#response !== undefined) {
      this.#end(fault === undefined ? "UC" : "UPE", "");
    } else if (fault !== undefined) {
      this.#answer({ status: 502, flags: "UPE", details: `upstream protocol: ${fault.message}` });
    } else if (!this.#retry({ kind: "reset", wasReused })) {
      this.#answer({ status: 503, flags: "UC", details: "upstream reset: the connection ended before an answer" });
    }
  }

  #follow(plan: RequestPlan): void {
    if (this.#isOver) {
      if (plan.kind === "forward") plan.onOver?.();
      return;
    }
    this.#plan = plan;
    const keeps = plan.kind === "forward" && plan.retries !== undefined && this.#head.framing.kind !== "none";
    if (keeps) this.#held().keepUpTo(this.#context.limits.maxReplayBytes);
    const go = (): void => (plan.kind === "answer" ? this.#answer(plan.answer) : this.#try(plan));
    if (plan.kind === "forward" && plan.timeoutMs !== undefined) {
      this.#timer = this.#context.clock.setTimeout(() => this.#timedOut(), plan.timeoutMs);
    }
    if (plan.delayMs === undefined) go();
    else this.#tryTimer = this.#context.clock.setTimeout(go, plan.delayMs);
  }

  #try(plan: ForwardPlan): void {
    this.#tries += 1;
    const taken = plan.pool.take(undefined);
    if (taken === undefined) void this.#dial(plan);
    else this.#open(taken, plan);
  }

  async #dial(plan: ForwardPlan): Promise<void> {
    const dialling = new AbortController();
    this.#dialling = dialling;
    const result = await plan.pool.dial(new Set(), dialling.signal);
    this.#dialling = undefined;
    if (result.kind === "taken") {
      if (this.#isOver) plan.pool.giveBack(result);
      else this.#open(result, plan);
    } else if (!this.#isOver) this.#dialFailed(result);
  }

  #dialFailed({ cause, message }: UpstreamFailure): void {
    if (!this.#retry({ kind: "connect" })) this.#answer(answerForDialFailure(cause, message));
  }

  #open(taken: TakenUpstream, plan: ForwardPlan): void {
    this.#taken = taken;
    const { connection } = taken;
    const { method, upgrade } = this.#head;
    connection.begin(this, { method, hasUpgrade: upgrade !== undefined });
    const perTryMs = plan.retries?.perTryTimeoutMs;
    if (perTryMs !== undefined) {
      this.#tryTimer = this.#context.clock.setTimeout(() => this.#tryTimedOut(), perTryMs);
    }
    const packet = new PacketWriter();
    packet.add(rewriteRequestHead(this.#head, plan.edits));
    for (const chunk of this.#body?.takeUnsent() ?? NO_CHUNKS) packet.add(chunk);
    const hasRoom = packet.flush(connection.socket);
    if (hasRoom && !this.#requestEnded) this.#client.resumeReading();
  }

  #held(): HeldBody {
    this.#body ??= new HeldBody();
    return this.#body;
  }

  /** A client that does not read stops the reading of its upstream. */
  #holdBack(hasRoom: boolean): void {
    if (!hasRoom) this.#taken?.connection.socket.pause();
  }

  #timedOut(): void {
    if (this.#response !== undefined) this.#end("UT", "");
    else this.#answer({ status: 504, flags: "UT", details: "upstream timeout: the route's time limit is over" });
  }

  #tryTimedOut(): void {
    if (this.#retry({ kind: "try_timeout" })) return;
    this.#answer({ status: 504, flags: "UT", details: "upstream timeout: the try's time limit is over" });
  }

  /** Begins another try, where that is right. */
  #retry(failure: TryFailure): boolean {
    const plan = this.#plan;
    if (plan?.kind !== "forward") return false;
    const { method, framing } = this.#head;
    const isReplayable = this.#body?.isReplayable !== false;
    const hasBody = framing.kind !== "none";
    if (!decideRetry({ failure, policy: plan.retries, tries: this.#tries, isReplayable, method, hasBody }))
      return false;
    this.#dropUpstream();
    this.#body?.rewind();
    const pauseMs = failure.kind === "reset" && failure.wasReused ? 0 : RETRY_PAUSE_MS * 2 ** (this.#tries - 1);
    if (pauseMs === 0) this.#try(plan);
    else this.#tryTimer = this.#context.clock.setTimeout(() => this.#try(plan), pauseMs);
    return true;
  }

  #answer(answer: LocalAnswer): void {
    if (this.#isOver) return;
    if (this.#response !== undefined) {
      this.#end(answer.flags, answer.details);
      return;
    }
    this.#closes = !this.#requestEnded || this.#client.mustClose();
    const isHead = this.#head.method === "HEAD";
    this.#dropUpstream();
    this.#answerWriter.write(formatLocalAnswer(answer, { close: this.#closes, isHead }));
    this.#answerWriter.flush();
    this.#finish(answer.status, answer.flags, answer.details);
    this.#client.exchangeOver(this.#closes);
  }

  /** The end of an exchange whose answer has begun, or of one whose client is gone. */
  #end(flags: RequestFlags, details: string): void {
    if (this.#isOver) return;
    this.#holdBack(this.#answerWriter.flush());
    const isWhole = flags === "-";
    const taken = this.#taken;
    this.#finish(this.#response?.status ?? 0, flags, details);
    this.#taken = undefined;
    if (taken !== undefined && this.#plan?.kind === "forward") {
      if (isWhole && this.#requestEnded) this.#plan.pool.giveBack(taken);
      else this.#plan.pool.discard(taken);
    }
    if (isWhole) this.#client.exchangeOver(this.#closes);
    else this.#client.abort();
  }

  #switch(): void {
    this.#holdBack(this.#answerWriter.flush());
    const tunnel = this.#taken?.connection.detach();
    if (this.#taken !== undefined && this.#plan?.kind === "forward") this.#plan.pool.letGo(this.#taken);
    if (tunnel === undefined) return;
    this.#timer?.cancel();
    this.#client.tunnelTo(tunnel, (bytes) => {
      this.#requestBytes += bytes.received;
      this.#tunnelBytes = bytes.sent;
      this.#finish(101, "-", "");
    });
  }

  #dropUpstream(): void {
    this.#tryTimer?.cancel();
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken !== undefined && this.#plan?.kind === "forward") this.#plan.pool.discard(taken);
  }

  /** @param status what the client got, or 0. */
  #finish(status: number, flags: RequestFlags, details: string): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#tryTimer?.cancel();
    this.#dialling?.abort();
    if (this.#plan?.kind === "forward") this.#plan.onOver?.();
    recordExchange(this.#client, this.#context, {
      head: this.#head,
      plan: this.#plan,
      upstream: this.#taken?.connection.dialed,
      status,
      flags,
      details,
      durationMs: this.#context.monotonicMs() - this.#startedAt,
      requestBytes: this.#requestBytes,
      responseBytes: this.#answerWriter.bytes + this.#tunnelBytes,
    });
  }
}
