import { describe, expect, it } from "vitest";
import { parseRetryOn } from "../../../mesh/policy/routing/retry-on.ts";
import { UpstreamError } from "../../connections/upstream-dialer.ts";
import { type AttemptResult, decideGatewayRetry, type GatewayRetryInput } from "./decide-gateway-retry.ts";

const reset = (wasReused = false): AttemptResult => ({ kind: "error", error: new Error("ECONNRESET"), wasReused });
const failed = (code: string): AttemptResult => ({
  kind: "error",
  error: new UpstreamError(code, ""),
  wasReused: false,
});
const answered = (status: number): AttemptResult => ({ kind: "status", status });
const retriesOf = (retryOn: string, attempts = 1) => ({ attempts, retryOn: parseRetryOn(retryOn).retryOn });

function decide(end: AttemptResult, more: Partial<GatewayRetryInput> = {}) {
  const accepted = { content: { kind: "none" }, method: "GET" } as const;
  return decideGatewayRetry({
    end,
    accepted,
    retries: undefined,
    granted: 0,
    renewals: 0,
    isReplayable: true,
    ...more,
  });
}

describe("a request that has failed", () => {
  it.each<{ name: string; end: AttemptResult; more?: Partial<GatewayRetryInput>; expected: string }>([
    { name: "on a reused connection", end: reset(true), expected: "renew" },
    { name: "on a reused connection, again", end: reset(true), more: { renewals: 1 }, expected: "none" },
    { name: "to reach an application that has ended", end: failed("undelivered"), expected: "renew" },
    {
      name: "to reach one, twice",
      end: failed("undelivered"),
      more: { renewals: 2 },
      expected: "none",
    },
    { name: "because its application has ended", end: failed("interrupted"), expected: "renew" },
    { name: "because of that, again", end: failed("interrupted"), more: { renewals: 1 }, expected: "none" },
    { name: "on a new connection", end: reset(), expected: "none" },
    {
      name: "on a new connection, if the policy allows it",
      end: reset(),
      more: { retries: retriesOf("reset") },
      expected: "retry",
    },
    {
      name: "when all attempts are used up",
      end: reset(),
      more: { retries: retriesOf("reset"), granted: 1 },
      expected: "none",
    },
    { name: "under another policy", end: reset(), more: { retries: retriesOf("connect-failure") }, expected: "none" },
    { name: "by a listed status", end: answered(503), more: { retries: retriesOf("503") }, expected: "retry" },
    { name: "by another status", end: answered(500), more: { retries: retriesOf("503") }, expected: "none" },
    {
      name: "to connect",
      end: failed("connect_failed"),
      more: { retries: retriesOf("connect-failure") },
      expected: "retry",
    },
    {
      name: "in the handshake",
      end: failed("unexpected_identity"),
      more: { retries: retriesOf("5xx") },
      expected: "retry",
    },
    {
      name: "for lack of an endpoint",
      end: failed("no_healthy_endpoint"),
      more: { retries: retriesOf("5xx") },
      expected: "none",
    },
    {
      name: "in the per-try timeout",
      end: failed("try_timeout"),
      more: { retries: retriesOf("5xx") },
      expected: "retry",
    },
    {
      name: "in the per-try timeout, without a policy",
      end: failed("try_timeout"),
      more: { retries: retriesOf("connect-failure") },
      expected: "none",
    },
  ])("$name: $expected", ({ end, more, expected }) => {
    expect(decide(end, more)).toBe(expected);
  });

  it.each([
    { name: "a POST that may have arrived", method: "POST", end: reset(), expected: "none" },
    { name: "a POST whose application has ended", method: "POST", end: failed("interrupted"), expected: "none" },
    { name: "a POST that was not delivered", method: "POST", end: failed("undelivered"), expected: "renew" },
    { name: "a POST on a reused connection", method: "POST", end: reset(true), expected: "none" },
    { name: "a POST with a response", method: "POST", end: answered(503), expected: "none" },
    { name: "a POST that cannot have arrived", method: "POST", end: failed("connect_failed"), expected: "retry" },
  ])("$name: $expected", ({ method, end, expected }) => {
    const accepted = { content: { kind: "none" }, method } as const;
    expect(decide(end, { accepted, retries: retriesOf("5xx,503") })).toBe(expected);
  });

  it.each([{ kind: "length", length: 1 } as const, { kind: "unknown", endsBy: "chunks" } as const])(
    "with a body ($kind): never",
    (content) => {
      const accepted = { content, method: "PUT" };
      for (const end of [reset(), reset(true), answered(503), failed("connect_failed")]) {
        expect(decide(end, { accepted, retries: retriesOf("5xx") })).toBe("none");
      }
    },
  );
});
