/** For tests: a data plane whose events, requests and log lines are recorded; shared by both sides of a sidecar. */
import type { AuthorizationVerdict } from "../mesh/policy/authorization/authorization.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import type { ConnectionObserver, RefusedConnection } from "./connections/connection-observer.ts";
import { createDataPlane, type DataPlaneOptions } from "./create-data-plane.ts";
import { Deadlines } from "./http/deadlines.ts";
import type { HttpContext } from "./http/http-context.ts";
import type { HttpTimeLimits } from "./http/http-limits.ts";
import type { InboundLimits } from "./inbound/inbound-arrival.ts";
import { createRecordingMeter } from "./telemetry/recording-meter-fixture.ts";
import type { AccessLogEntry, CountedCall, CountedRequest, TrafficMeters } from "./telemetry/request-meter.ts";
import type { SecureContextSource } from "./tls/secure-context-source.ts";

export interface Recorder extends ConnectionObserver {
  readonly refusals: readonly RefusedConnection[];
  readonly cuts: readonly string[];
  /** Why requests were malformed. */
  readonly faults: readonly string[];
  /** The details of streams that policies denied. */
  readonly denials: readonly string[];
  readonly silences: number;
  nextRefusal(): Promise<RefusedConnection>;
}

/** Records the data plane's events. */
export function createRecorder(): Recorder {
  const refusals: RefusedConnection[] = [];
  const cuts: string[] = [];
  const faults: string[] = [];
  const denials: string[] = [];
  const waiting = new Set<(refusal: RefusedConnection) => void>();
  let silences = 0;
  return {
    refusals,
    cuts,
    faults,
    denials,
    get silences() {
      return silences;
    },
    opened: () => ({ closed: () => undefined, denied: (details) => void denials.push(details) }),
    refused: (refusal) => {
      refusals.push(refusal);
      for (const resolve of waiting) resolve(refusal);
      waiting.clear();
    },
    detectionTimedOut: () => {
      silences += 1;
    },
    cut: (_connection, reason) => void cuts.push(reason),
    malformed: ({ reason }) => void faults.push(reason),
    nextRefusal: () => {
      const [first] = refusals;
      return first === undefined ? new Promise((resolve) => waiting.add(resolve)) : Promise.resolve(first);
    },
  };
}

export interface HttpSideOptions {
  readonly limits?: Partial<HttpTimeLimits>;
  /** @default those that record */
  readonly meters?: TrafficMeters;
}

/** The metrics and logs of a side's requests. */
export interface HttpSide {
  readonly context: HttpContext;
  readonly counted: readonly CountedRequest[];
  readonly calls: readonly CountedCall[];
  /** Reports of the calls' messages: from the client, from the server. */
  readonly messages: readonly (readonly [requests: number, responses: number])[];
  readonly logged: readonly AccessLogEntry[];
  /** Of AuthorizationPolicies. */
  readonly verdicts: readonly AuthorizationVerdict[];
  readonly draining: AbortController;
  readonly closing: AbortController;
}

/** The ends of a side's connections, for the test to begin. */
export function createDraining() {
  const draining = new AbortController();
  const closing = new AbortController();
  return { draining, closing, signals: { draining: draining.signal, closing: closing.signal } };
}

/**
 * For what a machine does at once: a busy one may need seconds. Not longer, because `TravellingTime` takes a limit of 8 s for
 * one that passes with its hours.
 */
export const PATIENCE_MS = 7000;

/** A shorter silence than a sidecar's. */
export const SHORT_LIMITS: InboundLimits = {
  handshakeTimeoutMs: PATIENCE_MS,
  silenceMs: 50,
  silenceTimeoutMs: 60_000,
  connectTimeoutMs: PATIENCE_MS,
  halfOpenIdleMs: 60_000,
};

/** Assembles a data plane that records. */
export function createPlane(
  secureContexts: SecureContextSource,
  options: Partial<DataPlaneOptions>,
  http?: HttpSideOptions,
) {
  const { clock = systemClock } = options;
  const recorder = createRecorder();
  const { meter, requests: counted, calls, messages } = createRecordingMeter();
  const logged: AccessLogEntry[] = [];
  const verdicts: AuthorizationVerdict[] = [];
  const plane = createDataPlane({
    clock,
    random: () => 0,
    log: new RecordingLogger(),
    secureContexts,
    observer: recorder,
    meters: http?.meters ?? { requestMeter: () => meter, countVerdict: (verdict) => void verdicts.push(verdict) },
    accessLog: { write: (entry) => void logged.push(entry) },
    discovery: { watch: () => ({ close: () => undefined }) },
    httpLimits: http?.limits ?? {},
    // Checked often: many tests end when the last connection has.
    deadlines: new Deadlines(clock, 20),
    ...options,
  });
  return { plane, recorder, counted, calls, messages, logged, verdicts };
}
