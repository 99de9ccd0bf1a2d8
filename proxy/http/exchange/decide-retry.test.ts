import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AttemptFailure,
  decideRetry,
  isRetryLimitExceeded,
  type RetryInput,
  type RetryPolicy,
  retryPauseMs,
} from "./decide-retry.ts";

const DIED_IDLE: AttemptFailure = { kind: "reset", wasReused: true };
const RESET: AttemptFailure = { kind: "reset", wasReused: false };
const CONNECT: AttemptFailure = { kind: "connect" };
const PER_TRY_TIMEOUT: AttemptFailure = { kind: "per_try_timeout" };
const STATUS_503: AttemptFailure = { kind: "status", status: 503 };

/** A GET without a body on its first try, under no rule. */
const GET: Omit<RetryInput, "failure"> = {
  policy: undefined,
  attempt: 1,
  isReplayable: true,
  method: "GET",
  hasBody: false,
};

/** A rule that allows nothing but what a test adds. */
function rule(allowed: Partial<RetryPolicy>): RetryPolicy {
  return {
    attempts: 2,
    perTryTimeoutMs: undefined,
    onConnectFailure: false,
    onReset: false,
    onStatus: () => false,
    ...allowed,
  };
}

describe("without a rule, after a kept connection died", () => {
  it.each(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])("%s is sent once more (RFC 9110 §9.2.2)", (method) => {
    expect(decideRetry({ ...GET, failure: DIED_IDLE, method })).toBe(true);
    expect(decideRetry({ ...GET, failure: DIED_IDLE, method, attempt: 2 })).toBe(false);
  });

  it.each<{ name: string; input: Partial<RetryInput> }>([
    { name: "POST", input: { method: "POST" } },
    { name: "PATCH", input: { method: "PATCH" } },
    { name: "a method that nobody knows", input: { method: "BREW" } },
    { name: "a method in lower case, which is another method", input: { method: "get" } },
    { name: "PUT with a body", input: { method: "PUT", hasBody: true } },
    { name: "a request of which a part is gone", input: { isReplayable: false } },
  ])("$name is not sent again", ({ input }) => {
    expect(decideRetry({ ...GET, failure: DIED_IDLE, ...input })).toBe(false);
  });

  it.each<{ name: string; failure: AttemptFailure }>([
    { name: "a reset of a fresh connection", failure: RESET },
    { name: "a failed connect", failure: CONNECT },
    { name: "a try that took too long", failure: PER_TRY_TIMEOUT },
    { name: "an answer, whatever its status", failure: STATUS_503 },
  ])("$name is no reason to repeat even GET", ({ failure }) => {
    expect(decideRetry({ ...GET, failure })).toBe(false);
  });
});

describe("under a rule", () => {
  const conditions = [
    { name: "a failed connect", failure: CONNECT, allowing: rule({ onConnectFailure: true }) },
    { name: "a reset", failure: RESET, allowing: rule({ onReset: true }) },
    { name: "the end of a kept connection", failure: { ...DIED_IDLE }, allowing: rule({ onReset: true }) },
    { name: "a try that took too long", failure: PER_TRY_TIMEOUT, allowing: rule({ onReset: true }) },
    { name: "a status", failure: STATUS_503, allowing: rule({ onStatus: (status) => status === 503 }) },
  ] as const;
  const POST = { ...GET, method: "POST", hasBody: true };

  it.each(conditions)("$name repeats even POST with a body, where the rule names it", ({ failure, allowing }) => {
    expect(decideRetry({ ...POST, failure, policy: allowing })).toBe(true);
    const others = conditions.map((condition) => condition.allowing).filter((policy) => !allows(policy, failure));
    for (const policy of others) expect(decideRetry({ ...POST, failure, policy })).toBe(false);
  });

  it.each(conditions)("$name repeats nothing of which a part is gone", ({ failure, allowing }) => {
    expect(decideRetry({ ...POST, failure, policy: allowing, isReplayable: false })).toBe(false);
  });

  it.each(conditions)("$name repeats as often as the rule says, besides the first try", ({ failure, allowing }) => {
    const decide = (attempt: number, attempts: number): boolean =>
      decideRetry({ ...POST, failure, attempt, policy: { ...allowing, attempts } });
    expect([1, 2, 3, 4].map((attempt) => decide(attempt, 3))).toEqual([true, true, true, false]);
    expect(decide(1, 0)).toBe(false);
  });

  it("a status that the rule does not name is the answer", () => {
    const policy = rule({ onStatus: (status) => status === 503 });
    expect(decideRetry({ ...GET, failure: { kind: "status", status: 500 }, policy })).toBe(false);
  });

  it("that forbids every repetition a kept connection that died is still replaced, once", () => {
    expect(decideRetry({ ...GET, failure: DIED_IDLE, policy: rule({ attempts: 0 }) })).toBe(true);
    expect(decideRetry({ ...GET, failure: DIED_IDLE, policy: rule({ attempts: 0 }), attempt: 2 })).toBe(false);
  });
});

function allows(policy: RetryPolicy, failure: AttemptFailure): boolean {
  if (failure.kind === "connect") return policy.onConnectFailure;
  return failure.kind === "status" ? policy.onStatus(failure.status) : policy.onReset;
}

describe("every request", () => {
  const failure = fc.constantFrom(DIED_IDLE, RESET, CONNECT, PER_TRY_TIMEOUT, STATUS_503);
  const policy = fc.option(
    fc.record({
      attempts: fc.nat(5),
      perTryTimeoutMs: fc.constant(undefined),
      onConnectFailure: fc.boolean(),
      onReset: fc.boolean(),
      onStatus: fc.boolean().map((isNamed) => () => isNamed),
    }),
    { nil: undefined },
  );
  const input = fc.record({
    ...{ failure, policy, attempt: fc.integer({ min: 1, max: 10 }), isReplayable: fc.boolean(), hasBody: fc.boolean() },
    method: fc.constantFrom("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"),
  });

  it("ends: it is tried once more than its rule says at most, and twice without one", () => {
    fc.assert(
      fc.property(input, (request) => {
        const most = Math.max(request.policy?.attempts ?? 0, 1);
        if (decideRetry(request)) expect(request.attempt).toBeLessThanOrEqual(most);
      }),
    );
  });

  it("with a body is never repeated without a rule that names the failure", () => {
    fc.assert(
      fc.property(input, (request) => {
        const isNamed = request.policy !== undefined && allows(request.policy, request.failure);
        if (request.hasBody && !isNamed) expect(decideRetry(request)).toBe(false);
      }),
    );
  });
});

describe("a request is out of tries", () => {
  const onConnect = rule({ onConnectFailure: true });
  it.each<{ name: string; input: Partial<RetryInput>; failure: AttemptFailure; expected: boolean }>([
    {
      name: "behind the last that its rule allows",
      input: { policy: onConnect, attempt: 3 },
      failure: CONNECT,
      expected: true,
    },
    { name: "but not before it", input: { policy: onConnect, attempt: 2 }, failure: CONNECT, expected: false },
    { name: "but not for another failure", input: { policy: onConnect, attempt: 3 }, failure: RESET, expected: false },
    { name: "but not without a rule", input: { attempt: 3 }, failure: CONNECT, expected: false },
    {
      name: "but not under a rule that allows none",
      input: { policy: rule({ attempts: 0, onConnectFailure: true }) },
      failure: CONNECT,
      expected: false,
    },
    {
      name: "but not where a part of it is gone",
      input: { policy: onConnect, attempt: 3, isReplayable: false },
      failure: CONNECT,
      expected: false,
    },
  ])("$name", ({ input, failure, expected }) => {
    expect(isRetryLimitExceeded({ ...GET, ...input, failure })).toBe(expected);
  });
});

describe("the pause before another try", () => {
  it.each([
    { attempt: 1, bound: 25 },
    { attempt: 2, bound: 50 },
    { attempt: 4, bound: 200 },
    { attempt: 9, bound: 250 },
  ])("is a random part of $bound ms after $attempt attempts", ({ attempt, bound }) => {
    expect(retryPauseMs(attempt, () => 0)).toBe(0);
    expect(retryPauseMs(attempt, () => 0.5)).toBe(bound / 2);
    expect(retryPauseMs(attempt, () => 0.999)).toBeLessThan(bound);
  });
});
