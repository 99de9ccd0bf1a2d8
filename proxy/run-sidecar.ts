import type { Inbound } from "../mesh/policy/types.ts";
import { whenAborted } from "../net/when-aborted.ts";
import type { CaptureListener, CaptureRefusal } from "./capture/capture-listener.ts";
import { startCaptureListener } from "./capture/capture-listener.ts";
import { createOriginalDestinationReader } from "./capture/original-destination.ts";
import { isOwnInboundListener, isOwnOutboundListener } from "./capture/own-listeners.ts";
import { INBOUND_POLICY } from "./connections/connection-registry.ts";
import { drain } from "./drain.ts";
import { createHttpContext } from "./http/http-context.ts";
import { InboundHttp } from "./inbound/inbound-http.ts";
import { createInboundHandler } from "./inbound/inbound-pipeline.ts";
import { OutboundHttp } from "./outbound/outbound-http.ts";
import { createOutboundHandler } from "./outbound/outbound-pipeline.ts";
import { startWorkload, type Workload, type WorkloadDeps } from "./start-workload.ts";

export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;

const LIMITS = {
  handshakeTimeoutMs: 10_000,
  silenceMs: 100,
  silenceTimeoutMs: 3_600_000,
  connectTimeoutMs: 10_000,
  halfOpenIdleMs: 3_600_000,
} as const;

/**
 * A pod's sidecar. No listener opens before the first certificate and the first policy are there. When `signal` aborts
 * the inbound side stops taking connections, what is open may finish, and the outbound side goes last.
 */
export async function runSidecar(deps: WorkloadDeps, signal: AbortSignal): Promise<void> {
  const workload = await startWorkload(deps);
  try {
    const ending = AbortSignal.any([signal, workload.asked]);
    const policy = watchInbound(workload);
    const first = await Promise.race([policy.first, whenAborted(ending)]);
    if (first === undefined) return;
    const draining = new AbortController();
    const listeners = await listen(workload, policy.current, draining.signal);
    workload.setReadiness(() => (ending.aborted ? "the proxy is draining" : undefined));
    deps.log.info({ component: "proxy", identity: deps.config.identity }, "the sidecar is ready");
    await whenAborted(ending);
    await listeners.inbound.stop();
    const { config, clock, log } = deps;
    draining.abort();
    listeners.closeIdle();
    await drain({ config: config.drain, registry: workload.registry, clock, log });
    await listeners.outbound.stop();
  } finally {
    await workload.stop();
  }
}

/** The policy in force; each change judges the open connections. */
function watchInbound(workload: Workload): { readonly first: Promise<Inbound>; current(): Inbound } {
  let latest: Inbound | undefined;
  workload.setReadiness(() => "the policy for this workload has not come yet");
  const first = new Promise<Inbound>((resolve) => {
    workload.discovery.watchInbound((inbound) => {
      latest = inbound;
      const { mode, rule } = inbound.defaultMode;
      workload.log.info({ component: "inbound", mode, rule, ports: inbound.ports.length }, "policy received");
      workload.registry.judgePolicy(INBOUND_POLICY);
      resolve(inbound);
    });
  });
  return {
    first,
    current: () => {
      if (latest === undefined) throw new Error("the policy is read after it has come");
      return latest;
    },
  };
}

interface Listeners {
  readonly inbound: CaptureListener;
  readonly outbound: CaptureListener;
  /** Closes the kept connections that wait for a request. */
  closeIdle(): void;
}

async function listen(workload: Workload, inbound: () => Inbound, draining: AbortSignal): Promise<Listeners> {
  const { clock, random, secureContexts, registry, connectionLimits, observer, destinations, dialer } = workload;
  const { log, metrics, accessLog } = workload;
  const context = createHttpContext({
    ...{ clock, random, log, meters: metrics, accessLog, draining },
    messageLimits: workload.config.messageLimits,
    maxIdleUpstream: connectionLimits.maxIdleUpstream,
  });
  const inboundHttp = new InboundHttp({ context, random, connectTimeoutMs: LIMITS.connectTimeoutMs });
  const outboundHttp = new OutboundHttp({
    ...{ context, destinations, dialer, registry, secureContexts, random },
    workload: () => inbound().workload,
  });
  secureContexts.subscribe(() => outboundHttp.pools.closeStale());
  const readOriginalDestination = createOriginalDestinationReader();
  const onInbound = createInboundHandler({
    clock,
    secureContexts,
    inbound,
    registry,
    caps: workload.caps,
    capacity: workload.createCapacity(connectionLimits.maxPerDirection),
    observer,
    http: inboundHttp,
    limits: LIMITS,
  });
  const onOutbound = createOutboundHandler({
    clock,
    http: outboundHttp,
    dialer,
    registry,
    capacity: workload.createCapacity(connectionLimits.maxPerDirection),
    observer,
    workload: () => inbound().workload,
    halfOpenIdleMs: LIMITS.halfOpenIdleMs,
  });
  const start = (port: number, direction: "inbound" | "outbound") =>
    startCaptureListener({
      port,
      readOriginalDestination,
      clientsAreRemote: direction === "inbound",
      isOwnListener: direction === "inbound" ? isOwnInboundListener : isOwnOutboundListener,
      onConnection: direction === "inbound" ? onInbound : onOutbound,
      onRefused: (refusal) => observer.refused(describeRefusal(direction, refusal)),
      onListenerError: ({ message }) => log.warn({ component: direction }, `the capture listener failed: ${message}`),
    });
  return {
    outbound: await start(OUTBOUND_PORT, "outbound"),
    inbound: await start(INBOUND_PORT, "inbound"),
    closeIdle: () => {
      inboundHttp.closeIdle();
      outboundHttp.pools.closeIdle();
    },
  };
}

function describeRefusal(direction: "inbound" | "outbound", { reason, peer, destination }: CaptureRefusal) {
  const target = destination === undefined ? "" : `${destination.ip}:${destination.port}`;
  const message =
    reason === "own_port"
      ? `${peer} aimed at the proxy's own port ${target}`
      : `${peer} came straight to the proxy, not through iptables`;
  return { direction, stage: "capture" as const, reason, message, client: peer, destination: target };
}
