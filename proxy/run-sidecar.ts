import type { Inbound } from "../mesh/policy/types.ts";
import { formatSocketAddress } from "../net/socket-address.ts";
import { whenAborted } from "../net/when-aborted.ts";
import type { CaptureListener, CaptureRefusal } from "./capture/capture-listener.ts";
import { startCaptureListener } from "./capture/capture-listener.ts";
import { createOriginalDestinationReader } from "./capture/original-destination.ts";
import { isOwnInboundListener, isOwnOutboundListener } from "./capture/own-listeners.ts";
import { drain } from "./drain.ts";
import { startWorkload, type Workload, type WorkloadDeps } from "./start-workload.ts";

export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;

/**
 * A pod's sidecar. No listener opens before the first certificate and the first policy are there. When `signal` aborts,
 * the inbound side stops accepting, open connections may finish, and the outbound side stops last.
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
    await drain({ config: config.drain, registry: workload.plane.registry, clock, log });
    await listeners.outbound.stop();
  } finally {
    await workload.stop();
  }
}

/** The policy in force. Open connections are judged again when it changes. */
function watchInbound(workload: Workload): { readonly first: Promise<Inbound>; current(): Inbound } {
  let latest: Inbound | undefined;
  workload.setReadiness(() => "the policy for this workload has not arrived yet");
  const first = new Promise<Inbound>((resolve) => {
    workload.discovery.watchInbound((inbound) => {
      latest = inbound;
      const { mode, rule } = inbound.defaultMode;
      workload.log.info({ component: "inbound", mode, rule, ports: inbound.ports.length }, "policy received");
      workload.plane.policyChanged();
      resolve(inbound);
    });
  });
  return {
    first,
    current: () => {
      if (latest === undefined) throw new Error("the policy is read after it has arrived");
      return latest;
    },
  };
}

interface Listeners {
  readonly inbound: CaptureListener;
  readonly outbound: CaptureListener;
  /** Closes idle upstream connections. */
  closeIdle(): void;
}

async function listen(workload: Workload, inbound: () => Inbound, draining: AbortSignal): Promise<Listeners> {
  const { plane, observer, log } = workload;
  const traffic = plane.createSidecar({ inbound, workload: () => inbound().workload, draining });
  const readOriginalDestination = createOriginalDestinationReader();
  const start = (port: number, direction: "inbound" | "outbound") =>
    startCaptureListener({
      port,
      readOriginalDestination,
      clientsAreRemote: direction === "inbound",
      isOwnListener: direction === "inbound" ? isOwnInboundListener : isOwnOutboundListener,
      onConnection: direction === "inbound" ? traffic.inbound : traffic.outbound,
      onRefused: (refusal) => observer.refused(describeRefusal(direction, refusal)),
      onListenerError: ({ message }) => log.warn({ component: direction }, `the capture listener failed: ${message}`),
    });
  return {
    outbound: await start(OUTBOUND_PORT, "outbound"),
    inbound: await start(INBOUND_PORT, "inbound"),
    closeIdle: traffic.closeIdle,
  };
}

function describeRefusal(direction: "inbound" | "outbound", { reason, peer, destination }: CaptureRefusal) {
  const target = destination === undefined ? "" : formatSocketAddress(destination);
  const message =
    reason === "own_port"
      ? `${peer} aimed at the proxy's own port ${target}`
      : `${peer} connected directly to the proxy, not through iptables`;
  return { direction, stage: "capture" as const, reason, message, client: peer, destination: target };
}
