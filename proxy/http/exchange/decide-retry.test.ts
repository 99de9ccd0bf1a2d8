import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AttemptFailure } from "./attempt-failure.ts";
import { decideRetry, isElsewhere, isRetryLimitExceeded, type RetryInput, retryPauseMs } from "./decide-retry.ts";
import type { RetryPolicy } from "./retry-policy.ts";

const DIED_IDLE: AttemptFailure = { kind: "reset", wasReused: true };
const RESET: AttemptFailure = { kind: "reset", wasReused: false };
const CONNECT: AttemptFailure = { kind: "connect", isRefused: false };
const PER_TRY_TIMEOUT: AttemptFailure = { kind: "per_try_timeout" };
const STATUS_503: AttemptFailure = { kind: "status", status: 503 };
const UNAVAILABLE: AttemptFailure = { kind: "grpc_status", status: 14 };

/** A GET without a body on its first attempt, without a retry policy. */
const GET: Omit<RetryInput, "failure"> = {
  policy: undefined,
  attempt: 1,
  isReplayable: true,
  method: "GET",
  hasBody: false,
};

/** A retry policy that allows only what a test adds. */
function rule(allowed: Partial<RetryPolicy>): RetryPolicy {
  return {
    attempts: 2,
    perTryTimeoutMs: undefined,
    onConnectFailure: false,
    onReset: false,
    onRefusedStream: false,
    onStatus: () => false,
    onGrpcStatus: () => false,
    ...allowed,
  };
}

describe("a request that the server did not process (RFC 9113 §8.7)", () => {
  const REFUSED: AttemptFailure = { kind: "refused" };

  it.each(["GET", "POST", "PATCH"])("is retried once, also a %s with a body", (method) => {
    const input = { ...GET, failure: REFUSED, method, hasBody: true };
    expect([1, 2].map((attempt) => decideRetry({ ...input, attempt }))).toEqual([true, false]);
  });

  it("is retried as often as its policy allows, if that names refused streams", () => {
    const policy = rule({ attempts: 3, onRefusedStream: true });
    const decide = (attempt: number): boolean => decideRetry({ ...GET, failure: REFUSED, policy, attempt });
    expect([1, 2, 3, 4].map(decide)).toEqual([true, true, true, false]);
  });

  it("is retried once also under a policy that names others, or allows none", () => {
    for (const policy of [rule({ onReset: true }), rule({ attempts: 0, onRefusedStream: true })]) {
      const decide = (attempt: number): boolean => decideRetry({ ...GET, failure: REFUSED, policy, attempt });
      expect([1, 2].map(decide)).toEqual([true, false]);
    }
  });

  it("is not retried if what was sent of it is not kept", () => {
    expect(decideRetry({ ...GET, failure: REFUSED, isReplayable: false })).toBe(false);
  });

  it("is retried at once, then with pauses: servers that refuse twice have too many streams", () => {
    expect(isElsewhere(REFUSED, 1)).toBe(true);
    expect(isElsewhere(REFUSED, 2)).toBe(false);
  });
});

describe("without a retry policy, after a reused connection died", () => {
  it.each(["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])("%s is retried once (RFC 9110 §9.2.2)", (method) => {
    expect(decideRetry({ ...GET, failure: DIED_IDLE, method })).toBe(true);
    expect(decideRetry({ ...GET, failure: DIED_IDLE, method, attempt: 2 })).toBe(false);
  });

  it.each<{ name: string; input: Partial<RetryInput> }>([
    { name: "POST", input: { method: "POST" } },
    { name: "PATCH", input: { method: "PATCH" } },
    { name: "an unknown method", input: { method: "BREW" } },
    { name: "a method in lower case, which is another method", input: { method: "get" } },
    { name: "PUT with a body", input: { method: "PUT", hasBody: true } },
    { name: "a request that is no longer replayable", input: { isReplayable: false } },
  ])("$name is not retried", ({ input }) => {
    expect(decideRetry({ ...GET, failure: DIED_IDLE, ...input })).toBe(false);
  });

  it.each<{ name: string; failure: AttemptFailure }>([
    { name: "a reset of a fresh connection", failure: RESET },
    { name: "a connect that failed slowly, or for another reason", failure: CONNECT },
    { name: "an attempt that timed out", failure: PER_TRY_TIMEOUT },
    { name: "a response, whatever its status", failure: STATUS_503 },
    { name: "a response to a call of gRPC, whatever its status", failure: UNAVAILABLE },
  ])("$name is not a reason to retry, even for GET", ({ failure }) => {
    expect(decideRetry({ ...GET, failure })).toBe(false);
  });
});

describe("without a retry policy, if every endpoint refused the connection", () => {
  const REFUSED: AttemptFailure = { kind: "connect", isRefused: true };

  it.each(["GET", "POST", "BREW"])("%s is retried up to twice, with a body too", (method) => {
    const decide = (attempt: number): boolean =>
      decideRetry({ ...GET, failure: REFUSED, method, hasBody: true, attempt });
    expect([1, 2, 3].map(decide)).toEqual([true, true, false]);
  });

  it("it is not retried under a policy that allows none", () => {
    expect(decideRetry({ ...GET, failure: REFUSED, policy: rule({ attempts: 0, onConnectFailure: true }) })).toBe(
      false,
    );
  });
});

describe("without a retry policy, after the endpoint's sidecar reported no response of its application", () => {
  it.each(["GET", "POST", "BREW"])("%s is retried up to twice if it was not delivered, with a body too", (method) => {
    const decide = (attempt: number): boolean =>
      decideRetry({ ...GET, failure: { kind: "undelivered" }, method, hasBody: true, attempt });
    expect([1, 2, 3].map(decide)).toEqual([true, true, false]);
  });

  it.each<{ name: string; input: Partial<RetryInput>; expected: boolean }>([
    { name: "GET is retried", input: {}, expected: true },
    { name: "GET is retried once", input: { attempt: 2 }, expected: false },
    { name: "POST is not retried", input: { method: "POST" }, expected: false },
    { name: "PUT with a body is not retried", input: { method: "PUT", hasBody: true }, expected: false },
    {
      name: "POST is retried under a policy that names resets",
      input: { method: "POST", policy: rule({ onReset: true }) },
      expected: true,
    },
  ])("$name if it may have been delivered", ({ input, expected }) => {
    expect(decideRetry({ ...GET, ...input, failure: { kind: "interrupted" } })).toBe(expected);
  });

  it("a request that is no longer replayable is not retried", () => {
    for (const kind of ["undelivered", "interrupted"] as const) {
      expect(decideRetry({ ...GET, failure: { kind }, isReplayable: false })).toBe(false);
    }
  });
});

describe("under a retry policy", () => {
  const conditions = [
    { name: "a failed connect", failure: CONNECT, allowing: rule({ onConnectFailure: true }) },
    { name: "a reset", failure: RESET, allowing: rule({ onReset: true }) },
    { name: "the end of a reused connection", failure: { ...DIED_IDLE }, allowing: rule({ onReset: true }) },
    { name: "an attempt that timed out", failure: PER_TRY_TIMEOUT, allowing: rule({ onReset: true }) },
    { name: "a status", failure: STATUS_503, allowing: rule({ onStatus: (status) => status === 503 }) },
    { name: "a status of gRPC", failure: UNAVAILABLE, allowing: rule({ onGrpcStatus: (status) => status === 14 }) },
  ] as const;
  const POST = { ...GET, method: "POST", hasBody: true };

  it.each(conditions)("$name retries even POST with a body, if the policy names it", ({ failure, allowing }) => {
    expect(decideRetry({ ...POST, failure, policy: allowing })).toBe(true);
    const others = conditions.map((condition) => condition.allowing).filter((policy) => !allows(policy, failure));
    for (const policy of others) expect(decideRetry({ ...POST, failure, policy })).toBe(false);
  });

  it.each(conditions)("$name does not retry a request that is no longer replayable", ({ failure, allowing }) => {
    expect(decideRetry({ ...POST, failure, policy: allowing, isReplayable: false })).toBe(false);
  });

  it.each(conditions)(
    "$name retries as often as the policy allows, besides the first attempt",
    ({ failure, allowing }) => {
      const decide = (attempt: number, attempts: number): boolean =>
        decideRetry({ ...POST, failure, attempt, policy: { ...allowing, attempts } });
      expect([1, 2, 3, 4].map((attempt) => decide(attempt, 3))).toEqual([true, true, true, false]);
      expect(decide(1, 0)).toBe(false);
    },
  );

  it("a status that the policy does not name is forwarded", () => {
    const policy = rule({ onStatus: (status) => status === 503 });
    expect(decideRetry({ ...GET, failure: { kind: "status", status: 500 }, policy })).toBe(false);
  });

  it("without retries still replaces a reused connection that died, once", () => {
    expect(decideRetry({ ...GET, failure: DIED_IDLE, policy: rule({ attempts: 0 }) })).toBe(true);
    expect(decideRetry({ ...GET, failure: DIED_IDLE, policy: rule({ attempts: 0 }), attempt: 2 })).toBe(false);
  });
});

function allows(policy: RetryPolicy, failure: AttemptFailure): boolean {
  if (failure.kind === "connect") return policy.onConnectFailure;
  if (failure.kind === "grpc_status") return policy.onGrpcStatus(failure.status);
  return failure.kind === "status" ? policy.onStatus(failure.status) : policy.onReset;
}

describe("every request", () => {
  const failure = fc.constantFrom(DIED_IDLE, RESET, CONNECT, PER_TRY_TIMEOUT, STATUS_503, UNAVAILABLE);
  const policy = fc.option(
    fc.record({
      attempts: fc.nat(5),
      perTryTimeoutMs: fc.constant(undefined),
      onConnectFailure: fc.boolean(),
      onReset: fc.boolean(),
      onRefusedStream: fc.boolean(),
      onStatus: fc.boolean().map((isNamed) => () => isNamed),
      onGrpcStatus: fc.boolean().map((isNamed) => () => isNamed),
    }),
    { nil: undefined },
  );
  const input = fc.record({
    ...{ failure, policy, attempt: fc.integer({ min: 1, max: 10 }), isReplayable: fc.boolean(), hasBody: fc.boolean() },
    method: fc.constantFrom("GET", "HEAD", "PUT", "DELETE", "POST", "PATCH"),
  });

  it("ends: at most one attempt more than its policy's retries, and at most two without a policy", () => {
    fc.assert(
      fc.property(input, (request) => {
        const most = Math.max(request.policy?.attempts ?? 0, 1);
        if (decideRetry(request)) expect(request.attempt).toBeLessThanOrEqual(most);
      }),
    );
  });

  it("with a body is never retried without a policy that names the failure", () => {
    fc.assert(
      fc.property(input, (request) => {
        const isNamed = request.policy !== undefined && allows(request.policy, request.failure);
        if (request.hasBody && !isNamed) expect(decideRetry(request)).toBe(false);
      }),
    );
  });
});

describe("a request has exceeded its retry limit", () => {
  const onConnect = rule({ onConnectFailure: true });
  it.each<{ name: string; input: Partial<RetryInput>; failure: AttemptFailure; expected: boolean }>([
    {
      name: "after the last retry that its policy allows",
      input: { policy: onConnect, attempt: 3 },
      failure: CONNECT,
      expected: true,
    },
    { name: "but not before it", input: { policy: onConnect, attempt: 2 }, failure: CONNECT, expected: false },
    { name: "but not for another failure", input: { policy: onConnect, attempt: 3 }, failure: RESET, expected: false },
    { name: "but not without a policy", input: { attempt: 3 }, failure: CONNECT, expected: false },
    {
      name: "but not under a retry policy that allows none",
      input: { policy: rule({ attempts: 0, onConnectFailure: true }) },
      failure: CONNECT,
      expected: false,
    },
    {
      name: "but not if it is no longer replayable",
      input: { policy: onConnect, attempt: 3, isReplayable: false },
      failure: CONNECT,
      expected: false,
    },
  ])("$name", ({ input, failure, expected }) => {
    expect(isRetryLimitExceeded({ ...GET, ...input, failure })).toBe(expected);
  });
});

describe("the pause before a retry", () => {
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
