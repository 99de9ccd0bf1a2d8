import type { WorkloadInfo } from "../mesh/policy/types.ts";
import { whenAborted } from "../net/when-aborted.ts";
import { startGateway } from "./gateway/start-gateway.ts";
import { startWorkload, type WorkloadDeps } from "./start-workload.ts";

/**
 * The gateway at the mesh's edge: HTTP from external clients in, mutual TLS to the mesh out. Drains when `signal`
 * aborts.
 */
export async function runGateway(deps: WorkloadDeps, signal: AbortSignal): Promise<void> {
  const workload = await startWorkload(deps);
  try {
    const ending = AbortSignal.any([signal, workload.asked]);
    const { plane, discovery, secureContexts, metrics, accessLog, log, clock, random } = workload;
    let own: WorkloadInfo | undefined;
    const gateway = await startGateway({
      watchConfig: (listener) =>
        discovery.watchGateway((config) => {
          own = config.workload;
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
      drainMs: deps.config.drain.deadlineMs,
    });
    const unsubscribe = secureContexts.subscribe(() => gateway.closeStaleUpstreams());
    workload.setReadiness(() => (ending.aborted ? "the gateway is draining" : gateway.fault()));
    await whenAborted(ending);
    unsubscribe();
    await gateway.stop();
  } finally {
    await workload.stop();
  }
}
