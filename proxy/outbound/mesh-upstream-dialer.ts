import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatSocketAddress } from "../../net/socket-address.ts";
import type { ConnectionObserver } from "../connections/connection-observer.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import type { UpstreamConnection, UpstreamDialer, UpstreamFailure } from "../connections/upstream-dialer.ts";
import type { RequestMeters } from "../telemetry/request-meter.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import type { DestinationCache, DestinationLease } from "./destination-cache.ts";
import type { DialedConnection, Dialer } from "./dial-destination.ts";
import { createReuseCheck } from "./is-still-allowed.ts";
import { trackUpstream } from "./track-upstream.ts";
import { upstreamFacts } from "./upstream-facts.ts";

export interface MeshUpstreamDialerOptions {
  readonly destinations: DestinationCache;
  readonly dialer: Dialer;
  readonly registry: ConnectionRegistry;
  readonly observer: ConnectionObserver;
  readonly secureContexts: SecureContextSource;
  readonly clock: Clock;
  readonly meters: RequestMeters;
  /** This workload, for metrics. */
  readonly workload: () => WorkloadInfo | undefined;
}

/**
 * Dials services for the gateway through the same destinations, verification and registry as a sidecar's outbound side.
 */
export function createMeshUpstreamDialer(options: MeshUpstreamDialerOptions): UpstreamDialer {
  return { dial: (target, signal) => dial(target, signal, options) };
}

async function dial(
  target: HostTarget,
  signal: AbortSignal,
  options: MeshUpstreamDialerOptions,
): Promise<UpstreamConnection | UpstreamFailure> {
  const lease = await options.destinations.acquire(target);
  if (lease === undefined) {
    const message = `${target.host}:${target.port} is new, and the control plane did not resolve it in time`;
    return { kind: "failed", reason: "control_plane_away", message };
  }
  const dialed = await options.dialer.dial(lease.current(), undefined, signal);
  if (dialed.kind === "failed") {
    lease.release();
    return dialed;
  }
  register({ lease, dialed, options });
  const { socket, generation } = dialed;
  const wouldBeTheSame = createReuseCheck(lease.current, dialed);
  const isCurrent = (): boolean =>
    wouldBeTheSame() && (dialed.peer === undefined || options.secureContexts.current()?.generation === generation);
  const { meters, secureContexts, workload } = options;
  const parties = { source: workload(), own: secureContexts.current()?.identity, destination: lease.current() };
  return {
    kind: "connected",
    socket,
    isCurrent,
    onChange: lease.onChange,
    meter: meters.requestMeter(upstreamFacts(dialed, parties)),
    address: formatSocketAddress(dialed.endpoint),
    peer: dialed.peer?.identity ?? "",
  };
}

interface Registered {
  readonly lease: DestinationLease;
  readonly dialed: DialedConnection;
  readonly options: MeshUpstreamDialerOptions;
}

function register({ lease, dialed, options }: Registered): void {
  const connection = trackUpstream(dialed, { ...options, client: "gateway", destination: lease });
  const resolved = lease.current();
  const opened = options.observer.opened(connection, {
    source: options.workload(),
    destination: dialed.meshEndpoint?.workload,
    service: resolved.kind === "mesh" ? resolved.service : undefined,
  });
  connection.onEnd((end) => {
    lease.release();
    opened.closed(end);
  });
}
