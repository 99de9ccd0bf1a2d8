import { hash } from "node:crypto";
import type { TokenAttributes } from "../../../mesh/policy/authorization/authorization.ts";
import {
  judgeToken,
  type KeyCandidate,
  tokenAttributes,
  validUntilMs,
} from "../../../mesh/policy/request-authentication/judge-token.ts";
import { type OutputField, outputFields } from "../../../mesh/policy/request-authentication/output-fields.ts";
import {
  MAX_TOKEN_LENGTH,
  parseToken,
  type UnverifiedToken,
} from "../../../mesh/policy/request-authentication/parse-token.ts";
import type { TokenRefusal } from "../../../mesh/policy/request-authentication/token-refusal.ts";
import type { Clock } from "../../../mesh/runtime.ts";
import type { TokenMeter } from "../../telemetry/token-meter.ts";
import type { TokenPlace } from "./compile-token-rules.ts";
import { TokenCache } from "./token-cache.ts";
import type { VerificationQueue } from "./verification-queue.ts";
import type { VerifySignature } from "./verify-signature.ts";

/** A token as a client presented it. */
export interface PresentedToken {
  readonly text: string;
  readonly place: TokenPlace;
}

export type TokenOutcome = AcceptedToken | RefusedToken;

export interface AcceptedToken {
  readonly kind: "accepted";
  readonly attributes: TokenAttributes;
  readonly outputs: readonly OutputField[];
  readonly isForwarded: boolean;
  readonly validUntilMs: number;
}

export interface RefusedToken {
  readonly kind: "refused";
  readonly refusal: TokenRefusal;
}

export interface TokenVerifierDeps {
  readonly verifySignature: VerifySignature;
  readonly queue: VerificationQueue;
  readonly clock: Clock;
  readonly meter: TokenMeter;
}

/** Weights are characters of tokens: their claims use a few times as many bytes. */
const ACCEPTED_LIMITS = { maxEntries: 1000, maxWeight: 1_000_000 };
const FAILED_LIMITS = { maxEntries: 1000, maxWeight: 1000 };
/** How long a wrong signature is remembered, for a client that goes on with it; by the monotonic clock. */
const FAILED_MS = 10_000;

/**
 * Verifies each token once, as long as the rules are the same: it belongs to one version of them, and its memory ends
 * with it. Only what needs cryptography is remembered; everything else about a token is cheaper to judge again.
 */
export class TokenVerifier {
  readonly #deps: TokenVerifierDeps;
  readonly #accepted = new TokenCache<AcceptedToken>(ACCEPTED_LIMITS);
  readonly #failed = new TokenCache<{ readonly untilMs: number }>(FAILED_LIMITS);
  /** Requests with the same token wait for one verification. */
  readonly #pending = new Map<string, Promise<TokenOutcome>>();

  constructor(deps: TokenVerifierDeps) {
    this.#deps = deps;
  }

  /** @param client the connection, among which verifications are shared out. */
  verify(presented: PresentedToken, client: object): TokenOutcome | Promise<TokenOutcome> {
    const { text, place } = presented;
    if (text.length > MAX_TOKEN_LENGTH) return refused("too_long");
    const key = `${place.id} ${hash("sha256", text, "base64")}`;
    const known = this.#recall(key) ?? this.#pending.get(key);
    if (known !== undefined) {
      this.#deps.meter.cacheHit();
      return known;
    }
    const parsed = parseToken(text);
    if (parsed.kind === "refused") return parsed;
    const judgment = judgeToken(parsed.token, place.rules, this.#deps.clock.now());
    if (judgment.kind === "refused") return judgment;
    this.#deps.meter.cacheMiss();
    const pending = this.#verifyAndKeep(key, parsed.token, { candidates: judgment.candidates, client });
    this.#pending.set(key, pending);
    return pending;
  }

  #recall(key: string): TokenOutcome | undefined {
    const { clock } = this.#deps;
    const accepted = this.#accepted.get(key);
    if (accepted !== undefined && clock.now() <= accepted.validUntilMs) return accepted;
    if (accepted !== undefined) {
      this.#accepted.delete(key);
      return refused("expired");
    }
    const failed = this.#failed.get(key);
    return failed !== undefined && clock.monotonicMs() < failed.untilMs ? refused("bad_signature") : undefined;
  }

  async #verifyAndKeep(key: string, token: UnverifiedToken, work: Work): Promise<TokenOutcome> {
    try {
      const outcome = await this.#deps.queue.run(work.client, () => this.#findKey(token, work.candidates));
      if (outcome === undefined) return refused("overloaded");
      if (outcome.kind === "accepted") this.#accepted.set(key, outcome, token.text.length);
      else this.#failed.set(key, { untilMs: this.#deps.clock.monotonicMs() + FAILED_MS }, 1);
      return outcome;
    } finally {
      this.#pending.delete(key);
    }
  }

  async #findKey(token: UnverifiedToken, candidates: readonly KeyCandidate[]): Promise<TokenOutcome> {
    for (const { rule, key } of candidates) {
      if (!(await this.#deps.verifySignature(token, key))) continue;
      return {
        kind: "accepted",
        attributes: tokenAttributes(token, rule),
        outputs: outputFields(token, rule),
        isForwarded: rule.forwardOriginalToken,
        validUntilMs: validUntilMs(token),
      };
    }
    return refused("bad_signature");
  }
}

interface Work {
  readonly candidates: readonly KeyCandidate[];
  readonly client: object;
}

function refused(refusal: TokenRefusal): RefusedToken {
  return { kind: "refused", refusal };
}
