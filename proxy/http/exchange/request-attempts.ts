import type { Socket } from "node:net";
import type { Clock, Random, Timer } from "../../../mesh/runtime.ts";
import type { RequestHead } from "../../http1/message-head.ts";
import { rewriteRequestHead } from "../headers/rewrite-head.ts";
import type { HttpContext } from "../http-context.ts";
import { type LocalReply, replyToDialFailure } from "../local-reply.ts";
import { PacketWriter } from "../packet-writer.ts";
import type { DialedUpstream, ResponseSink } from "../upstream/upstream-connection.ts";
import type { TakenUpstream } from "../upstream/upstream-pool.ts";
import { type AttemptFailure, decideRetry, isRetryLimitExceeded, retryPauseMs } from "./decide-retry.ts";
import { HeldBody } from "./held-body.ts";
import type { ForwardPlan } from "./request-plan.ts";

/** Whose request it is. What an upstream answers comes to it directly. */
export interface AttemptsOwner extends ResponseSink {
  /**
   * The request has been sent to an upstream, as far as it is here. @param hasRoom whether more of its body may come.
   */
  onSent(hasRoom: boolean): void;
  /** The last try failed; this is the answer for it. */
  onLocalReply(reply: LocalReply): void;
}

const NO_CHUNKS: readonly Buffer[] = [];

/**
 * Brings one request to an upstream: on a kept connection or a new one, and again on another where that is safe or a
 * rule says so. It holds the request's body for as long as it may have to be sent.
 */
export class RequestAttempts {
  readonly #owner: AttemptsOwner;
  readonly #head: RequestHead;
  readonly #clock: Clock;
  readonly #random: Random;
  #plan: ForwardPlan | undefined;
  #count = 0;
  #taken: TakenUpstream | undefined;
  #dialling: AbortController | undefined;
  #timer: Timer | undefined;
  #body: HeldBody | undefined;
  #isRetryLimitExceeded = false;
  #isOver = false;

  constructor(owner: AttemptsOwner, head: RequestHead, { clock, random }: Pick<HttpContext, "clock" | "random">) {
    this.#owner = owner;
    this.#head = head;
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether the last try would have been followed by another, but for their number. */
  get isRetryLimitExceeded(): boolean {
    return this.#isRetryLimitExceeded;
  }

  /** Whom the request is sent to now. */
  get upstream(): DialedUpstream | undefined {
    return this.#taken?.connection.dialed;
  }

  /** Its connection. */
  get socket(): Socket | undefined {
    return this.#taken?.connection.socket;
  }

  /** @param maxReplayBytes so much of the body is kept for another try, where the plan allows one. */
  begin(plan: ForwardPlan, maxReplayBytes: number): void {
    this.#plan = plan;
    if (plan.retries !== undefined && this.#head.framing.kind !== "none") this.#held().keepUpTo(maxReplayBytes);
    this.#attempt(plan);
  }

  /** Sends a piece of the body, or holds it until it can be sent. @returns false: no more before the owner's drain. */
  send(bytes: Buffer): boolean {
    const { socket } = this;
    if (socket === undefined) {
      this.#held().add(bytes);
      return true;
    }
    this.#held().passed(bytes);
    return socket.write(bytes);
  }

  /** Another try after an answer with this status. @returns false: the answer is the client's. */
  retryStatus(status: number): boolean {
    this.#timer?.cancel();
    return this.#plan?.retries?.onStatus(status) === true && this.#retry({ kind: "status", status });
  }

  /** Another try after the connection broke before an answer. @returns false: none is allowed. */
  retryLost(): boolean {
    return this.#retry({ kind: "reset", wasReused: this.#taken?.connection.isReused === true });
  }

  /** Cuts the upstream off, if there is one: it sees that the request did not end well. */
  drop(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken !== undefined) this.#plan?.pool.discard(taken);
  }

  /** Keeps the upstream's connection for other requests. */
  giveBack(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken !== undefined) this.#plan?.pool.giveBack(taken);
  }

  /** Takes the connection out of its pool, with what was read behind the answer put back. It stays this request's. */
  detach(): Socket | undefined {
    const socket = this.#taken?.connection.detach();
    if (this.#taken !== undefined) this.#plan?.pool.detach(this.#taken);
    return socket;
  }

  /** No more tries. */
  stop(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#dialling?.abort();
  }

  #attempt(plan: ForwardPlan): void {
    this.#count += 1;
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
      return;
    }
    if (this.#isOver || this.#retry({ kind: "connect" })) return;
    this.#owner.onLocalReply(replyToDialFailure(result.cause, result.message));
  }

  #open(taken: TakenUpstream, plan: ForwardPlan): void {
    this.#taken = taken;
    const { connection } = taken;
    const { method, upgrade, version } = this.#head;
    connection.begin(this.#owner, { method, hasUpgrade: upgrade !== undefined, version });
    const perTryMs = plan.retries?.perTryTimeoutMs;
    if (perTryMs !== undefined) this.#timer = this.#clock.setTimeout(() => this.#timedOut(), perTryMs);
    const packet = new PacketWriter();
    packet.add(rewriteRequestHead(this.#head, plan.edits));
    for (const chunk of this.#body?.takeUnsent() ?? NO_CHUNKS) packet.add(chunk);
    this.#owner.onSent(packet.flush(connection.socket));
  }

  #timedOut(): void {
    if (this.#retry({ kind: "per_try_timeout" })) return;
    this.#owner.onLocalReply({ status: 504, flags: "UT", details: "upstream timeout: the try's time limit is over" });
  }

  #retry(failure: AttemptFailure): boolean {
    const plan = this.#plan;
    if (plan === undefined) return false;
    const { method, framing } = this.#head;
    const isReplayable = this.#body?.isReplayable !== false;
    const hasBody = framing.kind !== "none";
    const input = { failure, policy: plan.retries, attempt: this.#count, isReplayable, method, hasBody };
    if (!decideRetry(input)) {
      this.#isRetryLimitExceeded = isRetryLimitExceeded(input);
      return false;
    }
    this.#timer?.cancel();
    this.drop();
    this.#body?.rewind();
    const pauseMs = failure.kind === "reset" && failure.wasReused ? 0 : retryPauseMs(this.#count, this.#random);
    if (pauseMs === 0) this.#attempt(plan);
    else this.#timer = this.#clock.setTimeout(() => this.#attempt(plan), pauseMs);
    return true;
  }

  #held(): HeldBody {
    this.#body ??= new HeldBody();
    return this.#body;
  }
}
