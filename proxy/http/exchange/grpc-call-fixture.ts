/** For tests: calls of gRPC as an exchange, between a recording client and recording streams. */
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import { listOf } from "../../messages/field-list-fixture.ts";
import type { Content, ResponseHead } from "../../messages/message-head.ts";
import { responseOf, startExchange } from "./exchange-fixture.ts";
import type { ForwardPlan } from "./request-plan.ts";
import type { RetryPolicy } from "./retry-policy.ts";

const NONE: Content = { kind: "none" };

/** A started call of gRPC. @param fields of its head, besides the content type. */
export async function startCall(fields: readonly string[] = [], plan: Partial<ForwardPlan> = {}) {
  const started = startExchange({ fields: listOf(["content-type", "application/grpc", ...fields]) }, plan);
  await settlePromises();
  const ends = (): readonly string[] =>
    started.calls.map(({ status, flags, grpcStatus }) => `${status} ${flags} ${grpcStatus}`);
  return { ...started, ends };
}

/** Messages of one byte each. */
export function messages(count: number): BodyPiece {
  return {
    bytes: Buffer.from([0, 0, 0, 0, 1, 7].concat(...Array(count - 1).fill([0, 0, 0, 0, 1, 7]))),
    ranges: undefined,
  };
}

/** A response without a body, which is its head alone. */
export function trailersOnly(status: string, fields: readonly string[] = []): ResponseHead {
  return responseOf(200, { content: NONE, fields: listOf(["grpc-status", status, ...fields]) });
}

/** A policy that allows only this. */
export function policy(allowed: Partial<RetryPolicy>): RetryPolicy {
  const never = () => false;
  return {
    ...{ attempts: 2, perTryTimeoutMs: undefined, onConnectFailure: false, onReset: false, onRefusedStream: false },
    ...{ onStatus: never, onGrpcStatus: never, ...allowed },
  };
}
