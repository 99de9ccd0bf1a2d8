import { describe, expect, it } from "vitest";
import { KubernetesApiError, type KubernetesApiErrorCode } from "../kubernetes-api-error.ts";
import { decideRetry } from "./call-policy.ts";

function refused(status: number, retryAfterMs?: number): KubernetesApiError {
  return new KubernetesApiError("api_refused", "no", { status, ...(retryAfterMs !== undefined && { retryAfterMs }) });
}

interface Row {
  readonly name: string;
  readonly error: KubernetesApiError;
  readonly isIdempotent?: boolean;
  readonly attempts?: number;
  readonly leftMs?: number;
  readonly waitMs: number | undefined;
}

const failed = (code: KubernetesApiErrorCode): KubernetesApiError => new KubernetesApiError(code, "no");

describe("an attempt that failed (jitter at its highest)", () => {
  it.each<Row>([
    { name: "429 with Retry-After", error: refused(429, 2000), waitMs: 3000 },
    { name: "429 without", error: refused(429), waitMs: 1500 },
    { name: "429, the third time", error: refused(429), attempts: 3, waitMs: 6000 },
    { name: "429, the fourth time", error: refused(429, 1), attempts: 4, waitMs: undefined },
    { name: "429 of a create", error: refused(429, 2000), isIdempotent: false, waitMs: 3000 },
    { name: "429 for longer than the call may take", error: refused(429, 20_000), waitMs: undefined },
    { name: "503", error: refused(503), waitMs: 1500 },
    { name: "503 of a create", error: refused(503), isIdempotent: false, waitMs: undefined },
    { name: "500", error: refused(500), waitMs: undefined },
    { name: "403", error: refused(403), waitMs: undefined },
    { name: "409", error: refused(409), waitMs: undefined },
    { name: "a cut connection", error: failed("api_unreachable"), waitMs: 250 },
    { name: "a cut connection, again", error: failed("api_unreachable"), attempts: 2, waitMs: undefined },
    { name: "a cut connection of a create", error: failed("api_unreachable"), isIdempotent: false, waitMs: undefined },
    {
      name: "a cut connection at the end of the time",
      error: failed("api_unreachable"),
      leftMs: 200,
      waitMs: undefined,
    },
    { name: "garbage", error: failed("api_invalid_response"), waitMs: undefined },
    { name: "unreadable credentials", error: failed("api_credentials"), waitMs: undefined },
  ])("$name: waits $waitMs", ({ error, isIdempotent = true, attempts = 1, leftMs = 10_000, waitMs }) => {
    expect(decideRetry({ attempts, isIdempotent, error, leftMs }, () => 1)).toBe(waitMs);
  });
});
