import type { WorkloadInfo } from "../mesh/policy/types.ts";
import { whenAborted } from "../net/when-aborted.ts";
import { startGateway } from "./gateway/start-gateway.ts";
import { runDrain } from "./lifecycle/run-drain.ts";
import { startWorkload, type WorkloadDeps } from "./start-workload.ts";

/**
 * The gateway at the mesh's edge: HTTP from external clients in, mutual TLS to the mesh out. When `signal` aborts it
 * goes on accepting, because load balancers still send; then it finishes its requests.
 */
export async function runGateway(deps: WorkloadDeps, signal: AbortSignal): Promise<void> {
  const workload = await startWorkload(deps, signal);
  try {
    const { plane, discovery, secureContexts, metrics, accessLog, log, clock, random, requests } = workload;
    const { drain } = deps.config;
    workload.setReadiness(() => "no trust bundle has arrived that can be used: see the log");
    const begin = await Promise.race([workload.firstBundle.then(() => "start"), whenAborted(requests.ending)]);
    if (begin === undefined) return;
    let own: WorkloadInfo | undefined;
    const gateway = await startGateway({
      watchConfig: (listener) =>
        discovery.watchGateway((config) => {
          own = config.workload;
          workload.showPolicies(config);
          listener(config);
        }),
      dialer: plane.createUpstreamDialer(() => own),
      metrics,
      accessLog,
      messageLimits: deps.config.messageLimits,
      log: log.child({ component: "gateway" }),
      clock,
      random,
      limits: { maxConnections: plane.limits.maxGatewayClients },
      drainMs: drain.deadlineMs - drain.acceptMs,
    });
    const unsubscribe = secureContexts.subscribe(() => gateway.closeStaleUpstreams());
    workload.setReadiness(() => gateway.fault());
    let stopped: Promise<void> | undefined;
    const usage = () => ({ inbound: gateway.connections, outbound: 0, applicationListens: false, hasServed: true });
    await runDrain({
      ...{ requests, config: drain, usage, clock, log },
      onDraining: () => gateway.startDraining(),
      onOutboundOnly: () => {
        stopped = gateway.stop();
      },
    });
    unsubscribe();
    await stopped;
  } finally {
    await workload.stop();
  }
}
