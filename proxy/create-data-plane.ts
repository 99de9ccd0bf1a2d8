import type { Inbound, WorkloadInfo } from "../mesh/policy/types.ts";
import type { Clock, Logger, Random } from "../mesh/runtime.ts";
import { readDescriptorLimit } from "../net/descriptor-limit.ts";
import type { CapturedConnection } from "./capture/capture-listener.ts";
import type { ConnectionObserver } from "./connections/connection-observer.ts";
import {
  type ConnectionRegistry,
  createConnectionRegistry,
  INBOUND_POLICY,
} from "./connections/connection-registry.ts";
import { type ConnectionLimits, decideConnectionLimits } from "./connections/limits/decide-connection-limits.ts";
import { createPeerJudge, onTrustChange } from "./connections/peer-judge.ts";
import { createCapturedCapacity } from "./connections/tracked-connection.ts";
import type { UpstreamDialer } from "./connections/upstream-dialer.ts";
import { RequestAuthenticator } from "./http/authentication/request-authenticator.ts";
import { compiledPolicies } from "./http/authorization/compiled-policies.ts";
import type { Deadlines } from "./http/deadlines.ts";
import { createHttpContext, type DrainSignals, type HttpContext } from "./http/http-context.ts";
import type { HttpTimeLimits } from "./http/http-limits.ts";
import type { Http1Limits } from "./http1/http1-limits.ts";
import type { InboundLimits } from "./inbound/inbound-arrival.ts";
import { InboundHttp } from "./inbound/inbound-http.ts";
import { createInboundHandler } from "./inbound/inbound-pipeline.ts";
import { createOpeningCaps, type OpeningCaps } from "./inbound/opening-limits.ts";
import {
  createDestinationCache,
  type DestinationCache,
  type DestinationCacheOptions,
  keyOfTarget,
} from "./outbound/destination-cache.ts";
import { createDialer, type Dialer, type DialerLimits } from "./outbound/dial-destination.ts";
import { createMeshUpstreamDialer } from "./outbound/mesh-upstream-dialer.ts";
import { OutboundHttp } from "./outbound/outbound-http.ts";
import { createOutboundHandler } from "./outbound/outbound-pipeline.ts";
import type { AccessLog, TrafficMeters } from "./telemetry/request-meter.ts";
import type { TokenMeter } from "./telemetry/token-meter.ts";
import type { SecureContextSource } from "./tls/secure-context-source.ts";

export interface DataPlaneOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly secureContexts: SecureContextSource;
  readonly observer: ConnectionObserver;
  readonly meters: TrafficMeters;
  /** @default nothing is counted */
  readonly tokenMeter?: TokenMeter;
  /** @default off */
  readonly accessLog?: AccessLog | undefined;
  /** Where destinations are resolved: the control plane. */
  readonly discovery: Omit<DestinationCacheOptions, "clock" | "onChange">;
  /** @default what the process's limit of descriptors allows */
  readonly connectionLimits?: Partial<ConnectionLimits>;
  /** @default TIME_LIMITS */
  readonly timeLimits?: Partial<InboundLimits>;
  /** @default HTTP_TIME_LIMITS */
  readonly httpLimits?: Partial<HttpTimeLimits>;
  /** @default HTTP1_LIMITS */
  readonly messageLimits?: Partial<Http1Limits> | undefined;
  readonly dialerLimits?: DialerLimits;
  /** The time limits of a sidecar's HTTP connections. @default one that checks each half second */
  readonly deadlines?: Deadlines;
}

/** A sidecar's limits. */
const TIME_LIMITS: InboundLimits = {
  handshakeTimeoutMs: 10_000,
  silenceMs: 100,
  silenceTimeoutMs: 3_600_000,
  connectTimeoutMs: 10_000,
  halfOpenIdleMs: 3_600_000,
};

/** The data plane of one process. */
export interface DataPlane {
  readonly limits: ConnectionLimits;
  readonly registry: ConnectionRegistry;
  readonly caps: OpeningCaps;
  readonly destinations: DestinationCache;
  /** The two sides of a sidecar. */
  createSidecar(options: SidecarOptions): SidecarTraffic;
  /** Dials services for a gateway. @param workload the gateway itself, for metrics. */
  createUpstreamDialer(workload: () => WorkloadInfo | undefined): UpstreamDialer;
  /** Judges open inbound connections by the current policy. */
  policyChanged(): void;
  close(): void;
}

export interface SidecarOptions {
  /** This workload's current policy. */
  readonly inbound: () => Inbound;
  /** This workload, for metrics. */
  readonly workload: () => WorkloadInfo | undefined;
  /** How connections of other pods are led to their end. @default never */
  readonly inboundDrain?: DrainSignals;
  /** The same for the application's connections. @default never */
  readonly outboundDrain?: DrainSignals;
}

/** Handles captured connections. */
export interface SidecarTraffic {
  readonly http: HttpContext;
  inbound(captured: CapturedConnection): void;
  outbound(captured: CapturedConnection): void;
  /** Closes idle upstream connections. */
  closeIdle(): void;
}

/** Shared by all parts of a data plane. */
interface Parts {
  readonly limits: ConnectionLimits;
  readonly registry: ConnectionRegistry;
  readonly caps: OpeningCaps;
  readonly destinations: DestinationCache;
  readonly dialer: Dialer;
}

/** Assembles the data plane. Sidecar, gateway, load tests and tests all use this function. */
export function createDataPlane(options: DataPlaneOptions): DataPlane {
  const { clock, random, secureContexts, observer } = options;
  const limits = { ...decideConnectionLimits(readDescriptorLimit()), ...options.connectionLimits };
  const registry = createConnectionRegistry({
    judgePeer: createPeerJudge(() => secureContexts.trust()),
    onCut: observer.cut,
  });
  const destinations = createDestinationCache({
    ...options.discovery,
    clock,
    onChange: (target) => registry.judgePolicy(keyOfTarget(target)),
  });
  const dialer = createDialer({ ...options.dialerLimits, secureContexts, clock, random });
  const parts: Parts = { limits, registry, caps: createOpeningCaps(limits), destinations, dialer };
  const unsubscribe = onTrustChange(secureContexts, () => void registry.judgeTrust());
  return {
    ...parts,
    createSidecar: (sidecar) => createSidecar(parts, sidecar, options),
    createUpstreamDialer: (workload) => createMeshUpstreamDialer({ ...options, ...parts, workload }),
    policyChanged: () => registry.judgePolicy(INBOUND_POLICY),
    close: () => {
      unsubscribe();
      destinations.close();
    },
  };
}

function createSidecar(parts: Parts, sidecar: SidecarOptions, options: DataPlaneOptions): SidecarTraffic {
  const { clock, random, secureContexts, observer } = options;
  const { maxIdleUpstream, maxPerDirection } = parts.limits;
  const limits = { ...TIME_LIMITS, ...options.timeLimits };
  const context = createHttpContext({
    ...options,
    drain: sidecar.outboundDrain,
    limits: options.httpLimits ?? {},
    maxIdleUpstream,
  });
  const inboundContext = { ...context, drain: sidecar.inboundDrain ?? context.drain };
  const inboundHttp = new InboundHttp({
    context: inboundContext,
    ...{ random, connectTimeoutMs: limits.connectTimeoutMs },
    authenticator: new RequestAuthenticator({
      rules: () => sidecar.inbound().tokenRules,
      ...{ clock, meter: options.tokenMeter },
    }),
  });
  const outboundHttp = new OutboundHttp({
    ...parts,
    observer,
    context,
    secureContexts,
    random,
    workload: sidecar.workload,
    pathNormalization: () => sidecar.inbound().authorization.pathNormalization,
  });
  secureContexts.subscribe(() => outboundHttp.pools.closeStale());
  const createCapacity = () => createCapturedCapacity({ limit: maxPerDirection, clock, observer });
  const policies = compiledPolicies(() => sidecar.inbound().authorization);
  const common = { ...parts, clock, observer, secureContexts };
  return {
    http: context,
    inbound: createInboundHandler({
      ...common,
      ...{ inbound: sidecar.inbound, policies, http: inboundHttp, capacity: createCapacity(), limits },
    }),
    outbound: createOutboundHandler({
      ...common,
      ...{ workload: sidecar.workload, http: outboundHttp, capacity: createCapacity() },
      halfOpenIdleMs: limits.halfOpenIdleMs,
    }),
    closeIdle: () => {
      inboundHttp.closeIdle();
      outboundHttp.pools.closeIdle();
    },
  };
}
