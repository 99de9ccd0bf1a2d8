/** Where requests go and what is done to them on the way, as VirtualServices say it. */
import type { HostTarget } from "./host-target.ts";

export interface HttpRoute {
  /** For logs: `VirtualService/NAME.NAMESPACE[INDEX]`. */
  readonly name: string;
  /** Any of them must hold; none at all matches every request. */
  readonly matches: readonly HttpMatch[];
  /** None where the route redirects. */
  readonly targets: readonly WeightedTarget[];
  /** Why this route cannot be served (an unsupported field); empty where it can. */
  readonly refusal: string;
  readonly rewrite?: RouteRewrite;
  readonly redirect?: RouteRedirect;
  /** From the whole request to the end of the response, retries included, an injected delay not. Absent: no limit. */
  readonly timeoutMs?: number;
  /** Absent: only what is safe without anybody's word. */
  readonly retries?: RouteRetries;
  readonly headers?: HeaderOperations;
  readonly fault?: RouteFault;
}

/** All that is set must hold. */
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

/** The first parameter of that name counts, as it was written: nothing is decoded, as in Envoy. */
export interface QueryMatch {
  readonly name: string;
  readonly value: StringMatch;
}

export interface WeightedTarget {
  readonly target: HostTarget;
  readonly weight: number;
  readonly headers?: HeaderOperations;
  /** The Host that requests to this target get, unless the route rewrites it. */
  readonly authority?: string;
}

export interface RouteRewrite {
  /**
   * Begins with `/`, visible ASCII. Takes the place of the prefix that matched (`/` where the match names no path), or of
   * the whole path where the match is exact or a regex. The query stays.
   */
  readonly uri?: string;
  /** The Host that the upstream sees. */
  readonly authority?: string;
}

export interface RouteRedirect {
  /** In place of the whole path. The request's query is kept unless this has one. */
  readonly uri?: string;
  readonly authority?: string;
  readonly scheme?: "http" | "https";
  readonly port?: number;
  readonly code: RedirectCode;
}

export type RedirectCode = 301 | 302 | 303 | 307 | 308;

export interface RouteRetries {
  /** Besides the first try; 0: never try again. */
  readonly attempts: number;
  readonly perTryTimeoutMs?: number;
  readonly retryOn: RetryOn;
}

/** Envoy's retry conditions; `retry-on.ts` says what they come to. */
export interface RetryOn {
  readonly conditions: readonly RetryCondition[];
  /** Responses with one of these statuses. */
  readonly statuses: readonly number[];
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

/** What is done to the fields of a message: first `remove`, then `set`, then `add`. */
export interface HeaderOperations {
  readonly request: HeaderEdit;
  readonly response: HeaderEdit;
}

/** Never touches framing, Host, hop-by-hop fields or identities: `header-rules.ts`. Names are lower case. */
export interface HeaderEdit {
  /** Replaces what is there. */
  readonly set: readonly HeaderValue[];
  /** Comes after what is there, as a field of its own. */
  readonly add: readonly HeaderValue[];
  readonly remove: readonly string[];
}

export interface HeaderValue {
  readonly name: string;
  readonly value: string;
}

/** Failures made on purpose. A request may be delayed and then aborted. */
export interface RouteFault {
  readonly delay?: {
    readonly fixedDelayMs: number;
    /** 0..100, of requests. */
    readonly percentage: number;
  };
  readonly abort?: {
    readonly httpStatus: number;
    /** 0..100, of requests. */
    readonly percentage: number;
  };
}
