import type { Inbound } from "../mesh/policy/types.ts";
import { formatSocketAddress } from "../net/socket-address.ts";
import { whenAborted } from "../net/when-aborted.ts";
import type { CaptureListener, CaptureRefusal } from "./capture/capture-listener.ts";
import { startCaptureListener } from "./capture/capture-listener.ts";
import { createOriginalDestinationReader } from "./capture/original-destination.ts";
import { isOwnInboundListener, isOwnOutboundListener } from "./capture/own-listeners.ts";
import { runDrain } from "./lifecycle/run-drain.ts";
import { SidecarUsage } from "./lifecycle/sidecar-usage.ts";
import { startWorkload, type Workload, type WorkloadDeps } from "./start-workload.ts";

export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;

/**
 * A pod's sidecar. No listener opens before the first certificate, trust bundle and policy are there. When `signal` aborts
 * it goes through the phases of `decidePhase`: the inbound side goes on accepting until others know that the pod ends,
 * and the outbound side stays for the application's own shutdown.
 */
export async function runSidecar(deps: WorkloadDeps, signal: AbortSignal): Promise<void> {
  const workload = await startWorkload(deps, signal);
  try {
    const { requests, plane } = workload;
    const policy = watchInbound(workload);
    const complete = Promise.all([policy.first, workload.firstBundle]);
    const first = await Promise.race([complete, whenAborted(requests.ending)]);
    if (first === undefined) return;
    const sides = await listen(workload, policy.current);
    workload.setReadiness(() => undefined);
    deps.log.info({ component: "proxy", identity: deps.config.identity }, "the sidecar is ready");
    await runDrain({
      ...{ requests, usage: () => sides.usage.read(), config: deps.config.drain, clock: deps.clock, log: deps.log },
      onDraining: () => sides.inboundDrain.draining.abort(),
      onOutboundOnly: () => {
        void sides.inbound.stop();
        sides.inboundDrain.closing.abort();
      },
    });
    sides.closeIdle();
    plane.registry.cutAll("stopped");
    await sides.outbound.stop();
  } finally {
    await workload.stop();
  }
}

/** The policy in force. Open connections are judged again when it changes. */
function watchInbound(workload: Workload): { readonly first: Promise<Inbound>; current(): Inbound } {
  let latest: Inbound | undefined;
  workload.setReadiness(() =>
    latest === undefined
      ? "the policy for this workload has not arrived yet"
      : "no trust bundle has arrived that can be used: see the log",
  );
  const first = new Promise<Inbound>((resolve) => {
    workload.discovery.watchInbound((inbound) => {
      latest = inbound;
      workload.showPolicies(inbound);
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

interface Sides {
  readonly inbound: CaptureListener;
  readonly outbound: CaptureListener;
  readonly inboundDrain: { readonly draining: AbortController; readonly closing: AbortController };
  readonly usage: SidecarUsage;
  /** Closes idle upstream connections. */
  closeIdle(): void;
}

async function listen(workload: Workload, inbound: () => Inbound): Promise<Sides> {
  const { plane, observer, log } = workload;
  const inboundDrain = { draining: new AbortController(), closing: new AbortController() };
  const { draining, closing } = inboundDrain;
  const traffic = plane.createSidecar({
    inbound,
    workload: () => inbound().workload,
    inboundDrain: { draining: draining.signal, closing: closing.signal },
  });
  const usage = new SidecarUsage({ registry: plane.registry });
  const readOriginalDestination = createOriginalDestinationReader();
  const start = (port: number, direction: "inbound" | "outbound") =>
    startCaptureListener({
      port,
      readOriginalDestination,
      clientsAreRemote: direction === "inbound",
      isOwnListener: direction === "inbound" ? isOwnInboundListener : isOwnOutboundListener,
      onConnection: (captured) => {
        usage.note(direction, captured.socket);
        traffic[direction](captured);
      },
      onRefused: (refusal) => observer.refused(describeRefusal(direction, refusal)),
      onListenerError: ({ message }) => log.warn({ component: direction }, `the capture listener failed: ${message}`),
    });
  return {
    outbound: await start(OUTBOUND_PORT, "outbound"),
    inbound: await start(INBOUND_PORT, "inbound"),
    ...{ inboundDrain, usage },
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
