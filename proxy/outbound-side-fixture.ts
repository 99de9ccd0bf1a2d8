/** For tests: the outbound side of a sidecar and a gateway's dialler, with a destination that the test chooses. */
import type { PathNormalization } from "../mesh/policy/authorization/authorization.ts";
import { strictInbound } from "../mesh/policy/inbound-fixture.ts";
import type { Destination, Inbound } from "../mesh/policy/types.ts";
import { type Clock, systemClock } from "../mesh/runtime.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import type { ConnectionRegistry } from "./connections/connection-registry.ts";
import type { UpstreamDialer } from "./connections/upstream-dialer.ts";
import {
  createDraining,
  createPlane,
  type HttpSide,
  type HttpSideOptions,
  PATIENCE_MS,
  type Recorder,
  SHORT_LIMITS,
} from "./data-plane-fixture.ts";
import { HELLO, secureContextsOf, WORKLOAD } from "./mesh-identities-fixture.ts";
import type { DestinationCacheOptions } from "./outbound/destination-cache.ts";
import { listenCaptured } from "./raw-sockets-fixture.ts";
import type { TrafficMeters } from "./telemetry/request-meter.ts";
import type { SecureContextSource } from "./tls/secure-context-source.ts";

export interface OutboundSide {
  readonly port: number;
  readonly registry: ConnectionRegistry;
  readonly recorder: Recorder;
  readonly http: HttpSide;
  setDestination(destination: Destination): void;
  /** Closes idle upstream connections. */
  closeIdle(): void;
}

export interface OutboundSideOptions {
  readonly destination: Destination | undefined;
  readonly secureContexts?: SecureContextSource;
  readonly resolveTimeoutMs?: number;
  /** Of all connections. @default 5000 */
  readonly maxConnections?: number;
  /** The original destination's port, for pass-through. @default 1 */
  readonly originalPort?: number;
  readonly http?: HttpSideOptions;
  /** @default the system's */
  readonly clock?: Clock;
  /** @default BASE */
  readonly pathNormalization?: PathNormalization;
}

/** An outbound side whose connections all go to one destination. */
export async function startOutboundSide(cleanup: Cleanup, options: OutboundSideOptions): Promise<OutboundSide> {
  const { watch, setDestination } = createWatch(options.destination);
  const { plane, recorder, ...telemetry } = createPlane(
    options.secureContexts ?? secureContextsOf(HELLO),
    {
      discovery: { watch, resolveTimeoutMs: options.resolveTimeoutMs ?? PATIENCE_MS },
      connectionLimits: { maxPerDirection: options.maxConnections ?? 5000 },
      timeLimits: SHORT_LIMITS,
      dialerLimits: { connectTimeoutMs: PATIENCE_MS },
      clock: options.clock ?? systemClock,
    },
    options.http,
  );
  cleanup.add(() => plane.close());
  const draining = createDraining();
  const { authorization, ...own } = strictInbound(WORKLOAD);
  const { pathNormalization = authorization.pathNormalization } = options;
  const inbound = (): Inbound => ({ ...own, authorization: { ...authorization, pathNormalization } });
  const sidecar = { inbound, workload: () => undefined, outboundDrain: draining.signals };
  const { outbound: handle, http: context, closeIdle } = plane.createSidecar(sidecar);
  const port = await listenCaptured(cleanup, options.originalPort ?? 1, handle);
  const http = { context, ...telemetry, ...draining };
  return { port, registry: plane.registry, recorder, http, setDestination, closeIdle };
}

export interface TestUpstreamDialer {
  readonly dialer: UpstreamDialer;
  readonly recorder: Recorder;
  setDestination(destination: Destination): void;
}

/** A gateway's upstream dialler, all of whose connections go to one destination. */
export function createTestUpstreamDialer(
  cleanup: Cleanup,
  options: {
    readonly destination: Destination;
    readonly meters: TrafficMeters;
    /** @default those of HELLO */
    readonly secureContexts?: SecureContextSource;
    /** @default the system's */
    readonly clock?: Clock;
  },
): TestUpstreamDialer {
  const { meters, secureContexts = secureContextsOf(HELLO), clock = systemClock } = options;
  const { watch, setDestination } = createWatch(options.destination);
  const { plane, recorder } = createPlane(secureContexts, { discovery: { watch }, meters, clock });
  cleanup.add(() => plane.close());
  return { dialer: plane.createUpstreamDialer(() => undefined), recorder, setDestination };
}

/** A control plane with one destination. @param first `undefined`: it does not respond. */
function createWatch(first: Destination | undefined) {
  const listeners = new Set<(destination: Destination) => void>();
  let current = first;
  const watch: DestinationCacheOptions["watch"] = (_target, listener) => {
    listeners.add(listener);
    if (current !== undefined) listener(current);
    return { close: () => void listeners.delete(listener) };
  };
  const setDestination = (destination: Destination): void => {
    current = destination;
    for (const listener of listeners) listener(destination);
  };
  return { watch, setDestination };
}
