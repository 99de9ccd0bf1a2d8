import type { HostTarget } from "../../mesh/policy/routing/host-target.ts";
import type { Destination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatSocketAddress, type SocketAddress } from "../../net/socket-address.ts";
import type { ConnectionObserver } from "../connections/connection-observer.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import type { TrackedConnection } from "../connections/tracked-connection.ts";
import type { UpstreamConnection, UpstreamDialer, UpstreamFailure } from "../connections/upstream-dialer.ts";
import type { RequestMeters } from "../telemetry/request-meter.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import type { DestinationCache, DestinationLease } from "./destination-cache.ts";
import type { DialedConnection, Dialer } from "./dial-destination.ts";
import { createReuseCheck } from "./is-still-allowed.ts";
import { reportFailedHandshake, trackUpstream } from "./track-upstream.ts";
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
  const avoided = new AvoidedEndpoints(options.clock);
  return { dial: (target, signal) => dial(target, signal, { ...options, avoided }) };
}

/** Until endpoints that end are withdrawn. */
const AVOIDED_MS = 3000;

/** Endpoints whose applications did not respond. */
class AvoidedEndpoints {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  add(endpoint: SocketAddress): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [key, untilMs] of this.#untilMs) if (untilMs <= nowMs) this.#untilMs.delete(key);
    this.#untilMs.set(formatSocketAddress(endpoint), nowMs + AVOIDED_MS);
  }

  /** The destination without them, if it has others. */
  without(destination: Destination): Destination {
    if (this.#untilMs.size === 0 || destination.kind !== "mesh") return destination;
    const nowMs = this.#clock.monotonicMs();
    const endpoints = destination.endpoints.filter(
      ({ ip, port }) => (this.#untilMs.get(formatSocketAddress({ ip, port })) ?? 0) <= nowMs,
    );
    return endpoints.length === 0 ? destination : { ...destination, endpoints };
  }
}

async function dial(
  target: HostTarget,
  signal: AbortSignal,
  options: MeshUpstreamDialerOptions & { readonly avoided: AvoidedEndpoints },
): Promise<UpstreamConnection | UpstreamFailure> {
  const lease = await options.destinations.acquire(target);
  if (lease === undefined) {
    const message = `${target.host}:${target.port} is new, and the control plane did not resolve it in time`;
    return { kind: "failed", reason: "control_plane_away", message };
  }
  const dialed = await options.dialer.dial(options.avoided.without(lease.current()), undefined, signal);
  if (dialed.kind === "failed") {
    lease.release();
    const { observer } = options;
    reportFailedHandshake(dialed, { observer, client: "gateway", destination: `${target.host}:${target.port}` });
    return dialed;
  }
  const tracked = register({ lease, dialed, options });
  const { socket, generation } = dialed;
  const wouldBeTheSame = createReuseCheck(lease.current, dialed);
  const isCurrent = (): boolean =>
    tracked.mayCarry() &&
    wouldBeTheSame() &&
    (dialed.peer === undefined || options.secureContexts.current()?.generation === generation);
  const { meters, secureContexts, workload } = options;
  const parties = { source: workload(), own: secureContexts.current()?.identity, destination: lease.current() };
  return {
    kind: "connected",
    socket,
    isCurrent,
    onChange: lease.onChange,
    cutReason: () => tracked.cutReason,
    avoid: () => options.avoided.add(dialed.endpoint),
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

function register({ lease, dialed, options }: Registered): TrackedConnection {
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
  return connection;
}
