import { hash } from "node:crypto";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";
import { CallRates } from "../../net/call-rates.ts";
import { withTimeLimit } from "../../net/time-limit.ts";
import type { Authenticator, TokenFault, TokenVerdict } from "./authenticator.ts";
import { decideReview } from "./review-response.ts";
import { ReviewSlots } from "./review-slots.ts";
import { formatTime, readTokenClaims, type TokenClaims } from "./token-claims.ts";
import { VerdictCache } from "./verdict-cache.ts";

export interface TokenReviewOptions {
  readonly api: Pick<KubernetesApi, "review">;
  /** @default "istio-ca" */
  readonly audience?: string;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly log: Logger;
  /** Checked before a line that a caller causes. */
  readonly limitLog: LogLimiter;
  readonly limits?: Partial<TokenReviewLimits>;
  /** Counts what was asked, and what came of it. */
  readonly onReview?: (outcome: ReviewOutcome) => void;
}

/** What came of a token that was worth a question. `remembered`: it had just been accepted. */
export type ReviewOutcome = "authenticated" | "refused" | "remembered" | TokenFault;

export interface TokenReviewLimits {
  /**
   * How long an accepted token is not asked about again: a caller's quick retries cost one question. A pod's token is
   * still accepted for this long after the API refuses it.
   */
  readonly cacheMs: number;
  /** How long a caller waits; a sidecar gives a call up after 5 s. */
  readonly callerWaitMs: number;
  /** How long the API may take. Longer than a caller waits: a retry finds the result of a slow API. */
  readonly reviewMs: number;
  /** Questions of one address: at once, then per second. A node whose pods share an address starts up to 110 of them. */
  readonly reviewBurst: number;
  readonly reviewsPerSecond: number;
  /** Accepted tokens of one pod that do not count for its address. Its retries find the last one in the cache. */
  readonly acceptedBurst: number;
  /** Sustained. */
  readonly acceptedPerSecond: number;
  readonly maxRunning: number;
  readonly maxWaiting: number;
  readonly maxOfCaller: number;
}

const DEFAULT_LIMITS: TokenReviewLimits = {
  cacheMs: 5000,
  callerWaitMs: 4000,
  reviewMs: 20_000,
  reviewBurst: 120,
  reviewsPerSecond: 5,
  acceptedBurst: 10,
  acceptedPerSecond: 0.2,
  // Half of the connections of the API's client, which other parts of the control plane need too.
  maxRunning: 8,
  maxWaiting: 2000,
  maxOfCaller: 120,
};

/** The longest pause that an API server's `Retry-After` may impose. */
const MAX_PAUSE_MS = 30_000;
/** A token from further in the future, or one that is accepted after its end, shows that our clock is wrong. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

/** Authenticates service account tokens by the Kubernetes API's TokenReview. */
export function createTokenReviewAuthenticator(options: TokenReviewOptions): Authenticator {
  return new TokenReviewAuthenticator(options);
}

class TokenReviewAuthenticator implements Authenticator {
  readonly #options: TokenReviewOptions;
  readonly #audience: string;
  readonly #limits: TokenReviewLimits;
  readonly #cache: VerdictCache;
  readonly #slots: ReviewSlots;
  readonly #rates: CallRates;
  /** Of pods. */
  readonly #accepted: CallRates;
  /** By the token's hash: equal tokens share one question. */
  readonly #running = new Map<string, Promise<TokenVerdict>>();
  #pausedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: TokenReviewOptions) {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#options = options;
    this.#audience = options.audience ?? "istio-ca";
    this.#limits = limits;
    this.#cache = new VerdictCache(options.clock, limits.cacheMs);
    this.#slots = new ReviewSlots(limits);
    const rate = { callBurst: limits.reviewBurst, callsPerSecond: limits.reviewsPerSecond };
    this.#rates = new CallRates(rate, options.clock);
    const accepted = { callBurst: limits.acceptedBurst, callsPerSecond: limits.acceptedPerSecond };
    this.#accepted = new CallRates(accepted, options.clock);
  }

  async authenticate(token: string, address: string): Promise<TokenVerdict> {
    const { clock, trustDomain } = this.#options;
    const read = readTokenClaims(token, { audience: this.#audience, trustDomain, nowMs: clock.now() });
    if (read.kind === "refused") return read;
    const key = hash("sha256", token, "base64");
    const known = this.#cache.get(key);
    if (known !== undefined) return this.#counted(known, "remembered");
    const review = this.#running.get(key) ?? this.#begin({ token, key, address, claims: read.claims });
    const verdict = review === undefined ? TOO_MANY : await this.#waitFor(review);
    return this.#counted(verdict, verdict.kind === "unavailable" ? verdict.reason : verdict.kind);
  }

  #counted(verdict: TokenVerdict, outcome: ReviewOutcome): TokenVerdict {
    this.#options.onReview?.(outcome);
    return verdict;
  }

  /** Undefined: this caller, or all of them together, ask too much. */
  #begin(asked: AskedToken): Promise<TokenVerdict> | undefined {
    if (!this.#rates.take(asked.address)) return undefined;
    const review = this.#slots.run(asked.address, () => this.#review(asked));
    if (review === undefined) return undefined;
    const shared = review.finally(() => this.#running.delete(asked.key));
    this.#running.set(asked.key, shared);
    return shared;
  }

  /** A caller that no longer waits leaves the question running: a retry joins it, or finds its result. */
  async #waitFor(review: Promise<TokenVerdict>): Promise<TokenVerdict> {
    const { callerWaitMs: limitMs } = this.#limits;
    const slow: TokenVerdict = {
      ...{ kind: "unavailable", reason: "api_slow" },
      message: `the Kubernetes API has not answered the TokenReview within ${limitMs} ms; it is still awaited`,
    };
    const limit = { clock: this.#options.clock, limitMs, what: "the review" };
    return await withTimeLimit(review, limit).catch((caught: unknown) => {
      if (MeshError.from(caught).code === "timed_out") return slow;
      throw caught;
    });
  }

  /** Never rejects. */
  async #review({ token, key, address, claims }: AskedToken): Promise<TokenVerdict> {
    try {
      this.#refuseWhilePaused();
      const response = await this.#ask(token);
      const { trustDomain } = this.#options;
      const verdict = decideReview(response, { claims, audience: this.#audience, trustDomain });
      if (verdict.kind === "authenticated") {
        this.#cache.set(key, verdict, claims.expiresAtMs);
        // So many pods behind one address start as fast as the API responds; only tokens that are refused count.
        const { identity, pod } = verdict;
        if (pod?.uid !== undefined && this.#accepted.take(`${identity} ${pod.uid}`)) this.#rates.giveBack(address);
        this.#checkClock(claims);
      }
      return verdict;
    } catch (caught) {
      return this.#failure(caught);
    }
  }

  #ask(token: string): Promise<unknown> {
    const { api, clock } = this.#options;
    const { reviewMs: limitMs } = this.#limits;
    const giveUp = new AbortController();
    const kind = KINDS.tokenReviews;
    const review = {
      ...{ apiVersion: `${kind.group}/${kind.version}`, kind: kind.kind },
      spec: { token, audiences: [this.#audience] },
    };
    const call = api.review(kind, review, { timeoutMs: limitMs, signal: giveUp.signal });
    return withTimeLimit(call, { clock, limitMs, what: "the TokenReview" }).finally(() => giveUp.abort());
  }

  #refuseWhilePaused(): void {
    if (this.#options.clock.monotonicMs() < this.#pausedUntilMs) {
      throw new KubernetesApiError("api_refused", "the Kubernetes API has asked for a pause");
    }
  }

  #failure(caught: unknown): TokenVerdict {
    const { message } = MeshError.from(caught);
    const error = caught instanceof KubernetesApiError ? caught : undefined;
    if (error?.retryAfterMs !== undefined) {
      this.#pausedUntilMs = this.#options.clock.monotonicMs() + Math.min(error.retryAfterMs, MAX_PAUSE_MS);
    }
    const fix = error?.status === 403 ? `; ${RIGHTS_FIX}` : "";
    return { kind: "unavailable", reason: "api_failed", message: `${message}${fix}` };
  }

  /** The API has accepted the token by its own clock, so a contradiction is our clock's fault. */
  #checkClock({ issuedAtMs, expiresAtMs }: TokenClaims): void {
    const { clock, log, limitLog } = this.#options;
    const nowMs = clock.now();
    const isAhead = expiresAtMs + CLOCK_TOLERANCE_MS < nowMs;
    const isBehind = issuedAtMs !== undefined && issuedAtMs - CLOCK_TOLERANCE_MS > nowMs;
    if (!isAhead && !isBehind) return;
    const { isGranted, heldBack } = limitLog("clock_skew");
    if (!isGranted) return;
    const other = isAhead
      ? `accepts a token that ended at ${formatTime(expiresAtMs)}`
      : `has issued a token at ${formatTime(issuedAtMs ?? 0)}`;
    log.error(
      { component: "ca-agent", code: "clock_skew", heldBack },
      `the clock of this machine is ${isAhead ? "ahead" : "behind"}: it is ${formatTime(nowMs)}, and the Kubernetes API ` +
        `${other}; correct the clock, because certificates get their times from it`,
    );
  }
}

interface AskedToken {
  readonly token: string;
  /** The token's hash. */
  readonly key: string;
  readonly address: string;
  readonly claims: TokenClaims;
}

const RIGHTS_FIX = "allow the control plane's service account to create tokenreviews.authentication.k8s.io";

const TOO_MANY: TokenVerdict = {
  ...{ kind: "unavailable", reason: "too_many_reviews" },
  message: "the caller, or all callers together, have too many tokens reviewed: the caller may retry",
};
