import type { Socket } from "node:net";
import type { Timer } from "../../../mesh/runtime.ts";
import { isProven } from "../../connections/delivery-proof.ts";
import { ABANDONED, type AbortReason, cutBecause } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { Trailers } from "../../messages/fields.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import type { RequestHead, ResponseHead } from "../../messages/message-head.ts";
import type { GrpcCall } from "../grpc/grpc-call.ts";
import type { HttpContext } from "../http-context.ts";
import { replyToDialFailure } from "../pool/dial-failure.ts";
import type { TakenUpstream } from "../pool/upstream-pool.ts";
import type { DialedUpstream } from "../upstream/upstream-connection.ts";
import type { UpstreamStream } from "../upstream/upstream-stream.ts";
import { AttemptAccount } from "./attempt-account.ts";
import { type AttemptFailure, failureOfDial, failureOfLoss, failureOfResponse } from "./attempt-failure.ts";
import type { AttemptsOwner } from "./attempts-owner.ts";
import { isElsewhere, retryPauseMs } from "./decide-retry.ts";
import { lostReply, reportDelivery, timeoutReply } from "./exchange-replies.ts";
import type { CutBy } from "./exchange-state.ts";
import { HeldBody } from "./held-body.ts";
import type { ForwardPlan } from "./request-plan.ts";

/**
 * Sends one request to an upstream, on a kept connection or a new one, and retries it if that is safe or the policy
 * allows it. Holds the request's body as long as it may have to be sent.
 */
export class RequestAttempts {
  readonly #owner: AttemptsOwner;
  readonly #head: RequestHead;
  readonly #call: GrpcCall | undefined;
  readonly #context: HttpContext;
  readonly #hasBody: boolean;
  #plan: ForwardPlan | undefined;
  readonly #account = new AttemptAccount();
  #taken: TakenUpstream | undefined;
  #dialling: AbortController | undefined;
  #timer: Timer | undefined;
  #body: HeldBody | undefined;
  #isOver = false;

  /** @param call of gRPC, if the request is one. */
  constructor(owner: AttemptsOwner, head: RequestHead, call: GrpcCall | undefined, context: HttpContext) {
    this.#owner = owner;
    this.#head = head;
    this.#call = call;
    this.#hasBody = head.content.kind !== "none";
    this.#context = context;
  }

  /** Whether the last attempt would have been retried, but for the retry limit. */
  get isRetryLimitExceeded(): boolean {
    return this.#account.isLimitExceeded;
  }

  /** The upstream of the current attempt. */
  get upstream(): DialedUpstream | undefined {
    return this.#taken?.connection.dialed;
  }

  /** Why the proxy has cut the upstream's connection; `undefined`: it has not. */
  get upstreamCut(): CutBy | undefined {
    const details = this.upstream?.cutReason?.();
    return details === undefined ? undefined : { flags: "UC", details };
  }

  /** A loss, with the proxy's own reason if it has cut the connection. */
  explain(loss: AbortReason): AbortReason {
    const cut = this.upstreamCut;
    return cut === undefined ? loss : cutBecause(cut.details);
  }

  /** Its stream; `undefined`: none is open. */
  get stream(): UpstreamStream | undefined {
    return this.#taken?.stream;
  }

  begin(plan: ForwardPlan): void {
    this.#plan = plan;
    if (plan.retries !== undefined || plan.pool.hasSeveralEndpoints) this.#keepBody();
    this.#attempt(plan);
  }

  /** The response goes to the client: there will be no retry. */
  commit(): void {
    this.#body?.release();
  }

  /**
   * Sends a piece of the body, or holds it until it can be sent. @returns false: no more before the owner's `onSent` or
   * drain. A client that goes on while a retry waits or dials would fill the memory.
   */
  send(piece: BodyPiece): boolean {
    const stream = this.#taken?.stream;
    if (stream === undefined) {
      this.#held().add(piece);
      return this.#plan === undefined;
    }
    this.#held().passed(piece);
    return stream.sendBody(piece);
  }

  /** The body is complete. @returns whether it waits for its connection. */
  end(trailers: Trailers | undefined): boolean {
    if (!this.#hasBody) return false;
    this.#held().end(trailers);
    this.#taken?.stream.sendEnd(trailers);
    return this.#plan !== undefined && this.#taken === undefined;
  }

  /** Retries after such a response, if that is allowed. @returns false: the response goes to the client. */
  retryResponse(head: ResponseHead): boolean {
    this.#timer?.cancel();
    if (this.#retryElsewhere(head)) return true;
    const failure = failureOfResponse(head, this.#call, this.#plan?.retries);
    return failure !== undefined && this.#retry(failure);
  }

  #retryElsewhere({ report }: ResponseHead): boolean {
    const { pool } = this.#plan ?? {};
    if (report === undefined || pool === undefined || this.#taken === undefined) return false;
    const { connection, endpoint } = this.#taken;
    if (!isProven(report.proof, connection.dialed.socket)) return false;
    pool.avoid(endpoint);
    return pool.hasEndpointExcept(this.#account.noteTried(endpoint.key)) && this.#retry({ kind: report.outcome });
  }

  /** Retries after the upstream was lost before a response. @returns false: a retry is not allowed. */
  retryLost(reason: AbortReason): boolean {
    if (reason.kind === "refused") this.#account.noteUnprocessed();
    return this.#retry(failureOfLoss(reason, this.#taken?.stream.isReused === true));
  }

  /** The local reply after that. */
  lostReply(reason: AbortReason): LocalReply {
    return this.#withReport(lostReply(reason));
  }

  /** Aborts the request to the upstream, if there is one. */
  drop(reason: AbortReason): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken !== undefined) this.#plan?.pool.discard(taken, reason);
  }

  /** The response is complete: returns the stream to the pool. @param responseBytes head and body */
  release(responseBytes: number): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken === undefined) return;
    taken.endpoint.traffic.noteResponse(responseBytes);
    this.#plan?.pool.release(taken);
  }

  /** Takes the connection out of its pool for this request, with what was read after the response put back. */
  detach(): Socket | undefined {
    const socket = this.#taken?.stream.detach();
    if (this.#taken !== undefined) this.#plan?.pool.detach(this.#taken);
    return socket;
  }

  /** No more attempts. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#dialling?.abort();
  }

  #attempt(plan: ForwardPlan): void {
    this.#account.noteAttempt();
    if (plan.pool.isFull) {
      this.#owner.onLocalReply(this.#withReport(replyToDialFailure("overflow", "too many requests in progress")));
      return;
    }
    const taken = plan.pool.take(this.#head, this.#account.tried);
    try {
      if (taken !== undefined) this.#open(taken, plan);
      else this.#dial(plan).catch((caught) => this.#owner.onFault(caught));
    } catch (caught) {
      // A head that cannot be written must not end the process.
      this.#owner.onFault(caught);
    }
  }

  async #dial(plan: ForwardPlan): Promise<void> {
    const dialling = new AbortController();
    this.#dialling = dialling;
    const { clock } = this.#context;
    const startedMs = clock.monotonicMs();
    const result = await plan.pool.dial(this.#head, new Set(this.#account.tried), dialling.signal);
    this.#dialling = undefined;
    if (result.kind === "taken") {
      if (this.#isOver) plan.pool.release(result);
      else this.#open(result, plan);
      return;
    }
    const failure = failureOfDial(result.cause, plan.edits.hop, clock.monotonicMs() - startedMs);
    if (this.#isOver || this.#retry(failure)) return;
    this.#owner.onLocalReply(this.#withReport(replyToDialFailure(result.cause, result.message)));
  }

  #withReport(reply: LocalReply): LocalReply {
    return reportDelivery(reply, this.#plan?.proveDelivery?.(), this.#account.deliveries);
  }

  #open(taken: TakenUpstream, plan: ForwardPlan): void {
    this.#taken = taken;
    const { stream } = taken;
    const perTryMs = plan.retries?.perTryTimeoutMs;
    if (perTryMs !== undefined) this.#timer = this.#context.clock.setTimeout(() => this.#timedOut(), perTryMs);
    // Its server may refuse a stream unprocessed, and any such request is sent again.
    if (taken.connection.dialed.protocol !== "http1") this.#keepBody();
    stream.cork();
    const edits = this.#call?.editsOf(plan.edits, perTryMs, this.#context.clock.monotonicMs()) ?? plan.edits;
    stream.sendHead(this.#owner, this.#head, edits);
    this.#account.noteDelivery();
    this.#body?.sendTo(stream);
    this.#owner.onSent(stream.uncork());
  }

  #timedOut(): void {
    if (!this.#retry({ kind: "per_try_timeout" })) this.#owner.onLocalReply(timeoutReply("the attempt took too long"));
  }

  #retry(failure: AttemptFailure): boolean {
    const plan = this.#plan;
    if (plan === undefined) return false;
    const isReplayable = this.#body?.isReplayable !== false;
    const request = { policy: plan.retries, isReplayable, method: this.#head.method, hasBody: this.#hasBody };
    if (!this.#account.mayRetry(failure, request)) return false;
    this.#timer?.cancel();
    this.drop(ABANDONED);
    this.#body?.rewind();
    const { clock, random } = this.#context;
    const attempt = this.#account.count;
    const pauseMs = isElsewhere(failure, attempt) ? 0 : retryPauseMs(attempt, random);
    if (pauseMs === 0) this.#attempt(plan);
    else this.#timer = clock.setTimeout(() => this.#attempt(plan), pauseMs);
    return true;
  }

  #keepBody(): void {
    if (this.#hasBody) this.#held().keepUpTo(this.#context.limits.maxReplayBytes);
  }

  #held(): HeldBody {
    this.#body ??= new HeldBody();
    return this.#body;
  }
}
