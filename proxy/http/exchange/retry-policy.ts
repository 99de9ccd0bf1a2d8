import type { GrpcStatus } from "../../../mesh/resources/fields/grpc-status-names.ts";

/** A route's retry policy (`VirtualService.http[].retries`). */
export interface RetryPolicy {
  /** Retries, besides the first attempt. */
  readonly attempts: number;
  readonly perTryTimeoutMs: number | undefined;
  /** `connect-failure`: no connection could be made. */
  readonly onConnectFailure: boolean;
  /** `reset`: the connection ended before a response, or the attempt timed out. */
  readonly onReset: boolean;
  /** `refused-stream`: the server did not process it. */
  readonly onRefusedStream: boolean;
  /** Whether a response with this status is discarded for a retry. */
  readonly onStatus: (status: number) => boolean;
  /** The same for a response to a call of gRPC that consists of its head alone, by its `grpc-status`. */
  readonly onGrpcStatus: (status: GrpcStatus) => boolean;
}
