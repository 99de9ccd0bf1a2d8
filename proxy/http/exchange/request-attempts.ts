import type { Socket } from "node:net";
import type { Clock, Random, Timer } from "../../../mesh/runtime.ts";
import type { RequestHead, ResponseHead } from "../../http1/message-head.ts";
import { rewriteRequestHead } from "../headers/rewrite-head.ts";
import type { HttpContext } from "../http-context.ts";
import { type LocalReply, replyToDialFailure } from "../local-reply.ts";
import { PacketWriter } from "../packet-writer.ts";
import type { DialedUpstream, ResponseSink } from "../upstream/upstream-connection.ts";
import type { TakenUpstream } from "../upstream/upstream-pool.ts";
import { type AttemptFailure, decideRetry, isRetryLimitExceeded, retryPauseMs } from "./decide-retry.ts";
import { formatDeliveryReport, readDeliveryReport } from "./delivery-report.ts";
import { HeldBody } from "./held-body.ts";
import type { ForwardPlan } from "./request-plan.ts";

/** The owner of the request. It receives the upstream's response directly. */
export interface AttemptsOwner extends ResponseSink {
  /**
   * What has arrived of the request has been sent to an upstream. @param hasRoom whether more of its body may follow.
   */
  onSent(hasRoom: boolean): void;
  /** The last attempt failed; the client gets this local reply. */
  onLocalReply(reply: LocalReply): void;
  /** An attempt threw an exception. */
  onFault(caught: unknown): void;
}

const NO_CHUNKS: readonly Buffer[] = [];

/**
 * Sends one request to an upstream, on a kept connection or a new one, and retries it if that is safe or the policy
 * allows it. Holds the request's body as long as it may have to be sent.
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
  /** Endpoints whose applications gave no response. */
  #tried: Set<string> | undefined;
  #hasSent = false;
  #isRetryLimitExceeded = false;
  #isOver = false;

  constructor(owner: AttemptsOwner, head: RequestHead, { clock, random }: Pick<HttpContext, "clock" | "random">) {
    this.#owner = owner;
    this.#head = head;
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether the last attempt would have been retried, but for the retry limit. */
  get isRetryLimitExceeded(): boolean {
    return this.#isRetryLimitExceeded;
  }

  /** The upstream of the current attempt. */
  get upstream(): DialedUpstream | undefined {
    return this.#taken?.connection.dialed;
  }

  /** Its connection. */
  get socket(): Socket | undefined {
    return this.#taken?.connection.socket;
  }

  /** @param maxReplayBytes how much of the body is kept for a retry, if there may be one. */
  begin(plan: ForwardPlan, maxReplayBytes: number): void {
    this.#plan = plan;
    const mayRetry = plan.retries !== undefined || plan.pool.hasSeveralEndpoints;
    if (mayRetry && this.#head.framing.kind !== "none") this.#held().keepUpTo(maxReplayBytes);
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

  /** Retries after such a response, if that is allowed. @returns false: the response goes to the client. */
  retryResponse(head: ResponseHead): boolean {
    this.#timer?.cancel();
    const { status } = head;
    if (this.#retryElsewhere(head)) return true;
    return this.#plan?.retries?.onStatus(status) === true && this.#retry({ kind: "status", status });
  }

  /** Only a verified server is a sidecar. */
  #retryElsewhere(head: ResponseHead): boolean {
    const report = readDeliveryReport(head);
    const { pool } = this.#plan ?? {};
    if (report === undefined || pool === undefined || this.#taken === undefined || this.upstream?.peer === "")
      return false;
    const { endpoint } = this.#taken;
    pool.avoid(endpoint);
    this.#tried ??= new Set();
    this.#tried.add(endpoint.key);
    return pool.hasEndpointExcept(this.#tried) && this.#retry({ kind: report });
  }

  /** Retries after the connection broke before a response. @returns false: a retry is not allowed. */
  retryLost(): boolean {
    return this.#retry({ kind: "reset", wasReused: this.#taken?.connection.isReused === true });
  }

  /** The local reply after that. */
  lostReply(): LocalReply {
    const details = "upstream reset: the connection ended before a response";
    return this.#withReport({ status: 503, flags: "UC", details });
  }

  /** Resets the upstream's connection, if there is one: the server sees an aborted request. */
  drop(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken !== undefined) this.#plan?.pool.discard(taken);
  }

  /** Returns the upstream's connection to the pool. */
  release(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken !== undefined) this.#plan?.pool.release(taken);
  }

  /**
   * Takes the connection out of its pool, with what was read after the response put back. It stays with this request.
   */
  detach(): Socket | undefined {
    const socket = this.#taken?.connection.detach();
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
    this.#count += 1;
    const taken = plan.pool.take(this.#tried);
    if (taken === undefined) this.#dial(plan).catch((caught) => this.#owner.onFault(caught));
    else this.#open(taken, plan);
  }

  async #dial(plan: ForwardPlan): Promise<void> {
    const dialling = new AbortController();
    this.#dialling = dialling;
    const result = await plan.pool.dial(new Set(this.#tried), dialling.signal);
    this.#dialling = undefined;
    if (result.kind === "taken") {
      if (this.#isOver) plan.pool.release(result);
      else this.#open(result, plan);
      return;
    }
    if (this.#isOver || this.#retry({ kind: "connect" })) return;
    this.#owner.onLocalReply(this.#withReport(replyToDialFailure(result.cause, result.message)));
  }

  /** For the sidecar of a verified client, which may retry on another endpoint. */
  #withReport(reply: LocalReply): LocalReply {
    if (this.#plan?.edits.hop !== "inbound_verified") return reply;
    return { ...reply, fields: formatDeliveryReport(this.#hasSent ? "interrupted" : "undelivered") };
  }

  #open(taken: TakenUpstream, plan: ForwardPlan): void {
    this.#taken = taken;
    this.#hasSent = true;
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
    this.#owner.onLocalReply({ status: 504, flags: "UT", details: "upstream timeout: the attempt took too long" });
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
    const pauseMs = isElsewhere(failure) ? 0 : retryPauseMs(this.#count, this.#random);
    if (pauseMs === 0) this.#attempt(plan);
    else this.#timer = this.#clock.setTimeout(() => this.#attempt(plan), pauseMs);
    return true;
  }

  #held(): HeldBody {
    this.#body ??= new HeldBody();
    return this.#body;
  }
}

/** Whether the next attempt goes to another connection or endpoint that is not known to have a problem. */
function isElsewhere(failure: AttemptFailure): boolean {
  if (failure.kind === "reset") return failure.wasReused;
  return failure.kind === "undelivered" || failure.kind === "interrupted";
}
