import { ABANDONED, type AbortReason, CUT } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import { isInterim, type RequestHead, type ResponseHead } from "../../messages/message-head.ts";
import type { RequestFlags } from "../../telemetry/request-meter.ts";
import type { HttpContext } from "../http-context.ts";
import { detailsOf, flagsOfClientLoss, flagsOfUpstreamLoss } from "./abort-flags.ts";
import type { AttemptsOwner } from "./attempts-owner.ts";
import { type ExchangeClient, replyToFault } from "./exchange-client.ts";
import { ExchangeRecord } from "./exchange-record.ts";
import { ARRIVING, cutOf, type ExchangeState, OVER, PLANNING, planOf } from "./exchange-state.ts";
import { denialOf, planExchange } from "./judge-exchange.ts";
import { RequestAttempts } from "./request-attempts.ts";
import { type ForwardPlan, type PlanRequest, type RequestPlan, releasePlan } from "./request-plan.ts";

/**
 * One request and its response, whatever the versions of its two sides. Follows the request's plan, streams the
 * response, and sends a local reply if there is no upstream response. It ends exactly once: with a complete response, or
 * with both sides aborted.
 */
export class Exchange implements AttemptsOwner {
  /** What is measured of it. */
  readonly record: ExchangeRecord;
  readonly #client: ExchangeClient;
  readonly #context: HttpContext;
  readonly #attempts: RequestAttempts;
  #state: ExchangeState = ARRIVING;

  constructor(client: ExchangeClient, head: RequestHead, context: HttpContext) {
    this.#client = client;
    this.#context = context;
    this.record = new ExchangeRecord(client, head, context);
    this.#attempts = new RequestAttempts(this, head, this.record.call, context);
  }

  /** Whether the request has been read completely. */
  get requestEnded(): boolean {
    return this.record.requestEnded;
  }

  get isStarted(): boolean {
    return this.#state.kind !== "arriving";
  }

  /** Plans and starts the exchange, once everything that arrived with the head is buffered. */
  start(planRequest: PlanRequest): void {
    if (this.#state.kind !== "arriving") return;
    this.#state = PLANNING;
    planExchange(planRequest, this.record.head, this);
    if (this.#attempts.stream === undefined && !this.requestEnded && !this.#isOver()) this.#client.pauseReading();
  }

  /** To be called periodically: ends an exchange in which nothing moves, and reports the messages of a long call. */
  checkDeadline(nowMs: number): void {
    const { kind } = this.#state;
    if (kind === "over" || kind === "tunnel") return;
    if (this.record.check(nowMs, this.#attempts.upstream)) this.onLocalReply(this.record.quietReply(), QUIET);
  }

  /** The policies have changed: a request that they deny now ends. */
  judgeAgain(): void {
    const denied = denialOf(this.#state, this.record.head);
    if (denied === undefined) return;
    this.#state = denied.state;
    if (denied.state.kind === "tunnel") this.#client.abort(CUT);
    else this.endEarly(denied.reply, CUT);
  }

  requestBody(piece: BodyPiece): void {
    if (this.#isOver()) return;
    this.record.noteRequestBody(piece);
    if (!this.#attempts.send(piece)) this.#client.pauseReading();
  }

  requestEnd(trailers: Trailers | undefined): void {
    this.record.requestEnded = true;
    // Its last piece may have paused the client, whose own end must be noticed.
    if (!this.#isOver() && this.#attempts.end(trailers)) this.#client.resumeReading();
  }

  /** The client disconnected or sent malformed bytes: the server must not receive a complete request. */
  onClientLost(reason: AbortReason): void {
    this.#abort(flagsOfClientLoss(reason), detailsOf(reason), reason);
  }

  /** The proxy cuts its tunnel. */
  noteCut(details: string): void {
    if (this.#state.kind === "tunnel") this.#state = { ...this.#state, cutBy: { flags: "DO", details } };
  }

  onClientDrain(): void {
    this.#attempts.stream?.resume();
  }

  onUpstreamDrain(): void {
    this.#client.resumeReading();
  }

  onSent(hasRoom: boolean): void {
    if (hasRoom && !this.requestEnded) this.#client.resumeReading();
  }

  onFault(caught: unknown): void {
    this.onLocalReply(replyToFault(caught, this.#context));
  }

  onPacketStart(packet: Buffer | undefined): void {
    this.#client.response.startPacket(packet);
  }

  onPacketEnd(): void {
    if (!this.#isOver()) this.#holdBack(this.#client.response.endPacket());
  }

  /** What the client sends in one packet also leaves in one. */
  setRequestBatch(isBatch: boolean): void {
    const { stream } = this.#attempts;
    if (isBatch) stream?.cork();
    else if (stream?.uncork() === false) this.#client.pauseReading();
  }

  onResponseHead(head: ResponseHead): void {
    try {
      if (isInterim(head)) this.#holdBack(this.#client.response.sendInterim(head));
      else if (!this.#attempts.retryResponse(head)) this.#respond(head);
    } catch (caught) {
      this.onFault(caught);
    }
  }

  #respond(head: ResponseHead): void {
    const plan = planOf(this.#state);
    if (plan?.kind !== "forward") return;
    const hasRoom = this.#client.response.sendHead(head, plan.responseHeaders);
    this.#state = { kind: "responding", plan, status: head.status };
    this.record.noteResponseHead(head);
    this.#attempts.commit();
    this.#holdBack(hasRoom);
    if (head.status === 101) this.#switch(plan);
  }

  onResponseBody(piece: BodyPiece): void {
    this.record.noteResponseBody(piece);
    this.#holdBack(this.#client.response.sendBody(piece));
  }

  onResponseEnd(trailers: Trailers | undefined): void {
    const state = this.#state;
    if (state.kind !== "responding") return;
    this.#client.response.sendEnd(trailers);
    this.record.call?.noteTrailers(trailers);
    this.#finish(state.status, "-", "");
    if (this.requestEnded) this.#attempts.release(this.#client.response.bytes);
    else this.#attempts.drop(ABANDONED);
    this.#client.exchangeOver();
  }

  onUpstreamLost(loss: AbortReason): void {
    const reason = this.#attempts.explain(loss);
    if (this.#state.kind === "responding") {
      this.#abort(flagsOfUpstreamLoss(reason), detailsOf(reason), reason);
    } else if (reason.kind === "malformed") {
      this.onLocalReply({ status: 502, flags: "UPE", details: `upstream protocol: ${reason.message}` });
    } else if (!this.#attempts.retryLost(reason)) {
      this.onLocalReply(this.#attempts.lostReply(reason));
    }
  }

  #isOver(): boolean {
    return this.#state.kind === "over";
  }

  followPlan(plan: RequestPlan): void {
    if (this.#isOver()) return void releasePlan(plan);
    this.record.startLimit(plan, this);
    const { clock } = this.#context;
    if (plan.delayMs === undefined) this.#go(plan);
    else this.#state = { kind: "delayed", plan, timer: clock.setTimeout(() => this.#go(plan), plan.delayMs) };
  }

  #go(plan: RequestPlan): void {
    this.#state = plan;
    if (plan.kind === "local_reply") this.onLocalReply(plan.reply);
    else this.#attempts.begin(plan);
  }

  /** Backpressure: a client that does not read pauses its upstream. */
  #holdBack(hasRoom: boolean): void {
    if (!hasRoom) this.#attempts.stream?.pause();
  }

  /** The proxy ends it, whether a response has begun or not. */
  endEarly(reply: LocalReply, reason: AbortReason): void {
    const state = this.#state;
    const { call } = this.record;
    if (state.kind !== "responding" || call?.takesTrailers !== true) this.onLocalReply(reply, reason);
    else {
      // The client of a call whose response has begun learns the reason, too.
      this.#client.response.sendEnd(call.end(reply));
      this.#complete(state.status, reply);
    }
  }

  /** @param reason of the abort, if a response has begun. */
  onLocalReply(reply: LocalReply, reason: AbortReason = ABANDONED): void {
    if (this.#isOver()) return;
    if (this.#state.kind === "responding") return void this.#abort(reply.flags, reply.details, reason);
    const sent = this.record.call?.replyWith(reply) ?? reply;
    this.#attempts.drop(ABANDONED);
    this.#client.response.sendReply(sent);
    this.#complete(sent.status, reply);
  }

  /** The proxy itself has completed the response. */
  #complete(status: number, { flags, details }: LocalReply): void {
    this.#finish(status, flags, details);
    this.#attempts.drop(ABANDONED);
    this.#client.exchangeOver();
  }

  /** Ends an exchange whose response has begun, or whose client has disconnected. */
  #abort(flags: RequestFlags, details: string, reason: AbortReason): void {
    const state = this.#state;
    if (state.kind === "over") return;
    this.#finish(state.kind === "responding" ? state.status : 0, flags, details);
    this.#attempts.drop(reason);
    this.#client.abort(reason);
  }

  #switch(plan: ForwardPlan): void {
    const tunnel = this.#attempts.detach();
    if (tunnel === undefined) return;
    this.record.stopLimit();
    this.#state = { kind: "tunnel", plan };
    this.#client.tunnelTo(tunnel, ({ received, sent }) => {
      this.record.requestBytes += received;
      const { flags = "-", details = "" } = cutOf(this.#state) ?? this.#attempts.upstreamCut ?? {};
      this.#finish(101, flags, details, sent);
    });
  }

  /** @param status of the response that the client got, or 0. @param tunnelBytes sent to it after an upgrade. */
  #finish(status: number, flags: RequestFlags, details: string, tunnelBytes = 0): void {
    const state = this.#state;
    const plan = planOf(state);
    this.#state = OVER;
    if (state.kind === "delayed") state.timer.cancel();
    this.#attempts.stop();
    releasePlan(plan);
    this.record.end(status, tunnelBytes);
    this.record.report(plan, this.#attempts, flags, details);
  }
}

const QUIET: AbortReason = { kind: "time_limit", limit: "idle" };
