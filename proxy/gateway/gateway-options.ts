import type { GatewayConfig } from "../../mesh/policy/types.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import type { UpstreamDialer } from "../connections/upstream-dialer.ts";
import type { Deadlines } from "../http/deadlines.ts";
import type { Http1Limits } from "../http1/http1-limits.ts";
import type { ProxyMetrics } from "../telemetry/proxy-metrics.ts";
import type { AccessLog } from "../telemetry/request-meter.ts";
import type { GatewayLimits } from "./gateway-limits.ts";
import type { UpstreamPoolOptions } from "./upstream/upstream-pool.ts";

/** Provides the gateway's configuration, now and whenever it changes. */
export type WatchGatewayConfig = (listener: (config: GatewayConfig) => void) => { close(): void };

export interface GatewayOptions {
  readonly watchConfig: WatchGatewayConfig;
  readonly dialer: UpstreamDialer;
  readonly metrics: ProxyMetrics;
  readonly log: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** @default every address of the pod */
  readonly bindAddress?: string;
  readonly limits?: Partial<GatewayLimits>;
  /** @default HTTP1_LIMITS */
  readonly messageLimits?: Partial<Http1Limits> | undefined;
  /** The time limits of clients' connections. @default one that checks each half second */
  readonly deadlines?: Deadlines;
  /** @default requests are not logged */
  readonly accessLog?: AccessLog | undefined;
  readonly pool?: Omit<UpstreamPoolOptions, "dialer" | "reportFault">;
  /** How long the requests of a port may last that was removed from the configuration, or stopped. @default 30000 */
  readonly drainMs?: number;
}

/** A running gateway. */
export interface RunningGateway {
  /** The open ports: the configured one, and the actual one if 0 was configured. */
  listeners(): readonly { readonly configuredPort: number; readonly port: number; readonly connections: number }[];
  /** Why the gateway is not ready; `undefined` when every configured port is open. */
  fault(): string | undefined;
  /** Resolves when the ports match the last configuration. */
  settled(): Promise<void>;
  /** Closes idle upstream connections that would not be dialled the same way now; call after a rotation. */
  closeStaleUpstreams(): void;
  /** Open connections of clients, on all ports. */
  readonly connections: number;
  /** From now on each response is its connection's last. Connections are still accepted. */
  startDraining(): void;
  /** Stops accepting, closes idle connections, waits for the others for `drainMs`, and cuts what is left. */
  stop(): Promise<void>;
}
