/** Where requests go and how they are changed, as configured by VirtualServices. */
import type { GrpcStatus } from "../../resources/fields/grpc-status-names.ts";
import type { HostTarget } from "./host-target.ts";

export interface HttpRoute {
  /** For logs: `VirtualService/NAME.NAMESPACE[INDEX]`. */
  readonly name: string;
  /** One of them must match; an empty list matches every request. */
  readonly matches: readonly HttpMatch[];
  /** Empty if the route redirects. */
  readonly targets: readonly WeightedTarget[];
  /** Why this route cannot be served (an unsupported field); empty if it can. */
  readonly refusal: string;
  readonly rewrite?: RouteRewrite;
  readonly redirect?: RouteRedirect;
  /**
   * From the complete request to the end of the response, including retries, excluding an injected delay. Absent: no
   * limit.
   */
  readonly timeoutMs?: number;
  /** Absent: only retries that are always safe. */
  readonly retries?: RouteRetries;
  readonly headers?: HeaderOperations;
  readonly fault?: RouteFault;
}

/** All given conditions must match. */
export interface HttpMatch {
  readonly uri?: StringMatch;
  readonly scheme?: StringMatch;
  readonly method?: StringMatch;
  readonly authority?: StringMatch;
  readonly headers: readonly HeaderMatch[];
  readonly withoutHeaders: readonly HeaderMatch[];
  readonly queryParams: readonly QueryMatch[];
  readonly ignoreUriCase: boolean;
}

export type StringMatch =
  | { readonly kind: "exact"; readonly value: string }
  | { readonly kind: "prefix"; readonly value: string }
  /** RE2, matched against the whole value, as Istio does. */
  | { readonly kind: "regex"; readonly value: string }
  | { readonly kind: "present" };

export interface HeaderMatch {
  /** Lower case. */
  readonly name: string;
  readonly value: StringMatch;
}

/** Uses the first parameter with that name, in its raw form: nothing is decoded, as in Envoy. */
export interface QueryMatch {
  readonly name: string;
  readonly value: StringMatch;
}

export interface WeightedTarget {
  readonly target: HostTarget;
  readonly weight: number;
  readonly headers?: HeaderOperations;
  /** The Host of requests to this target, unless the route rewrites it. */
  readonly authority?: string;
}

export interface RouteRewrite {
  /**
   * Begins with `/`, visible ASCII. Replaces the matched prefix (`/` if the match has no path), or the whole path if
   * the match is exact or a regex. The query is kept.
   */
  readonly uri?: string;
  /** The Host that the upstream sees. */
  readonly authority?: string;
}

export interface RouteRedirect {
  /** Replaces the whole path. The request's query is kept unless this has one. */
  readonly uri?: string;
  readonly authority?: string;
  readonly scheme?: "http" | "https";
  readonly port?: number;
  readonly code: RedirectCode;
}

export type RedirectCode = 301 | 302 | 303 | 307 | 308;

export interface RouteRetries {
  /** In addition to the first attempt; 0 means no retries. */
  readonly attempts: number;
  readonly perTryTimeoutMs?: number;
  readonly retryOn: RetryOn;
}

/** Envoy's retry conditions; `retry-on.ts` defines their effect. */
export interface RetryOn {
  readonly conditions: readonly RetryCondition[];
  /** Responses with one of these statuses. */
  readonly statuses: readonly number[];
  /** Calls of gRPC that end with one of these in the response's head. Absent: none. */
  readonly grpcStatuses?: readonly GrpcStatus[];
}

export type RetryCondition =
  | "connect-failure"
  /** HTTP/2 only. */
  | "refused-stream"
  | "reset"
  | "reset-before-request"
  /** 502, 503, 504, or no response. */
  | "gateway-error"
  /** Any 5xx, or no response. */
  | "5xx"
  /** 409. */
  | "retriable-4xx";

/** Operations on a message's fields: first `remove`, then `set`, then `add`. */
export interface HeaderOperations {
  readonly request: HeaderEdit;
  readonly response: HeaderEdit;
}

/** Never changes framing, Host, hop-by-hop fields or identities: see `header-rules.ts`. Names are lower case. */
export interface HeaderEdit {
  /** Replaces existing fields. */
  readonly set: readonly HeaderValue[];
  /** Appended as an additional field. */
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
}

export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}

/** Injected faults. A request may be delayed and then aborted. */
export interface RouteFault {
  readonly delay?: {
    readonly fixedDelayMs: number;
    /** 0..100, of requests. */
    readonly percentage: number;
  };
  readonly abort?: {
    readonly httpStatus: number;
    /** For calls of gRPC; `httpStatus` then corresponds to it. Absent: the one that corresponds to `httpStatus`. */
    readonly grpcStatus?: GrpcStatus;
    /** 0..100, of requests. */
    readonly percentage: number;
  };
}
