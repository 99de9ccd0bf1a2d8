import { MeshError, type MeshErrorOptions } from "../mesh/mesh-error.ts";

/**
 * Errors of calls to the Kubernetes API.
 * - `api_refused`: the server answered with an error; `status` and `reason` say which.
 * - `api_unreachable`: no connection, a failed TLS handshake, or one that was cut.
 * - `api_timeout`: no complete response within the time limit.
 * - `api_invalid_response`: the response is not what the API's protocol requires.
 * - `api_response_too_large`: a response beyond the limit, which bounds this process's memory.
 * - `api_invalid_request`: the caller's object cannot be addressed, for example without a namespace.
 * - `api_credentials`: the kubeconfig, a token file or a credential plugin cannot be used.
 */
export type KubernetesApiErrorCode =
  | "api_refused"
  | "api_unreachable"
  | "api_timeout"
  | "api_invalid_response"
  | "api_response_too_large"
  | "api_invalid_request"
  | "api_credentials";

export interface KubernetesApiErrorOptions extends MeshErrorOptions {
  /** The HTTP status, or the code of an ERROR event. */
  readonly status?: number;
  /** The Status object's: Conflict, AlreadyExists, Expired, NotFound, Forbidden, TooManyRequests … */
  readonly reason?: string;
  /** When the server wants the next attempt. */
  readonly retryAfterMs?: number;
}

export class KubernetesApiError extends MeshError<KubernetesApiErrorCode> {
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: KubernetesApiErrorCode, message: string, options: KubernetesApiErrorOptions = {}) {
    super(code, message, options);
    this.status = options.status;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
  }
}
