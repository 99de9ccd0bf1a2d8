import type { Clock, Logger, LogLimiter, Random } from "../../mesh/runtime.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import { HTTP1_LIMITS, type Http1Limits } from "../http1/http1-limits.ts";
import type { AccessLog, TrafficMeters } from "../telemetry/request-meter.ts";
import { Deadlines } from "./deadlines.ts";
import { HTTP_TIME_LIMITS, type HttpTimeLimits } from "./http-limits.ts";
import { IdleQuota } from "./pool/idle-quota.ts";

/** How connections are led to their end, by signals that abort once. */
export interface DrainSignals {
  /** Aborted: each response is its connection's last. Idle connections stay, because a request may be on its way. */
  readonly draining: AbortSignal;
  /** Aborted: idle connections are closed, and none is kept. */
  readonly closing: AbortSignal;
}

/** Shared by all HTTP connections of one direction of a sidecar. */
export interface HttpContext {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly limits: HttpTimeLimits;
  /** Limits idle upstream connections, over all pools. */
  readonly idleQuota: IdleQuota;
  readonly messageLimits: Http1Limits;
  readonly random: Random;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
  readonly meters: TrafficMeters;
  /** `undefined`: off. */
  readonly accessLog: AccessLog | undefined;
  readonly drain: DrainSignals;
}

export interface HttpContextOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly meters: TrafficMeters;
  readonly accessLog?: AccessLog | undefined;
  /** @default HTTP_TIME_LIMITS */
  readonly limits?: Partial<HttpTimeLimits>;
  /** How many idle upstream connections are kept, over all pools. @default no limit */
  readonly maxIdleUpstream?: number;
  /** @default HTTP1_LIMITS */
  readonly messageLimits?: Partial<Http1Limits> | undefined;
  readonly random: Random;
  /** The time limits of connections. @default one that checks each half second */
  readonly deadlines?: Deadlines;
  /** @default never */
  readonly drain?: DrainSignals | undefined;
}

/** Log lines a second for each kind of failure. */
const LOG_LINES_PER_SECOND = 5;

/** Assembles what the HTTP connections of one sidecar share. */
export function createHttpContext(options: HttpContextOptions): HttpContext {
  const { clock, random, log, meters, accessLog } = options;
  return {
    clock,
    random,
    log,
    limitLog: createLogLimiter(clock, LOG_LINES_PER_SECOND),
    meters,
    accessLog,
    deadlines: options.deadlines ?? new Deadlines(clock),
    idleQuota: new IdleQuota(options.maxIdleUpstream ?? Number.POSITIVE_INFINITY),
    limits: { ...HTTP_TIME_LIMITS, ...options.limits },
    messageLimits: { ...HTTP1_LIMITS, ...options.messageLimits },
    drain: options.drain ?? neverDraining(),
  };
}

function neverDraining(): DrainSignals {
  const { signal } = new AbortController();
  return { draining: signal, closing: signal };
}
