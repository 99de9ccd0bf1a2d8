import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  destinationFromMessage,
  inboundFromMessage,
  messageFromDestinationTarget,
  trustBundleFromMessage,
  type WorkloadRef,
} from "../../../mesh/api/convert.ts";
import { gatewayFromMessage } from "../../../mesh/api/convert-gateway.ts";
import {
  WatchDestinationResponseSchema,
  WatchGatewayResponseSchema,
  WatchInboundResponseSchema,
  WatchTrustBundleResponseSchema,
} from "../../../mesh/api/gen/discovery_pb.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type {
  Destination,
  DestinationTarget,
  GatewayConfig,
  Inbound,
  TrustBundle,
} from "../../../mesh/policy/types.ts";
import type { LogLimiter } from "../../../mesh/runtime.ts";
import { createLogLimiter } from "../../../net/log-limiter.ts";
import { type DiscoveryLink, DiscoveryWatch, type Question } from "./discovery-watch.ts";
import { ReconnectingLink, type ReconnectingLinkOptions } from "./reconnecting-link.ts";

/** An open watch. */
export interface Watch {
  close(): void;
}

/**
 * The control plane's data, as it changes. A listener receives the current value first and then each different one. It
 * receives nothing while the control plane is unreachable, so the last value stays in force.
 */
export interface DiscoveryClient {
  watchTrustBundle(listener: (bundle: TrustBundle) => void): Watch;
  watchInbound(listener: (inbound: Inbound) => void): Watch;
  watchDestination(target: DestinationTarget, listener: (destination: Destination) => void): Watch;
  watchGateway(listener: (config: GatewayConfig) => void): Watch;
  isConnected(): boolean;
  /**
   * Calls the listener when the connection to the control plane is established and when it is lost. Returns a function
   * that unsubscribes.
   */
  onConnection(listener: (connected: boolean) => void): () => void;
  close(): void;
}

export interface DiscoveryClientOptions extends Omit<ReconnectingLinkOptions, "onLink"> {
  /** The own pod. */
  readonly workload: WorkloadRef;
}

/**
 * Connects as soon as there is a certificate, and reconnects whenever the connection is lost or the certificate
 * replaced.
 */
export function startDiscoveryClient(options: DiscoveryClientOptions): DiscoveryClient {
  const client = new StreamingClient(options);
  client.start();
  return client;
}

/** Of all watches together. */
const LINES_PER_SECOND = 5;

class StreamingClient implements DiscoveryClient {
  readonly #options: DiscoveryClientOptions;
  readonly #link: ReconnectingLink;
  readonly #limitLog: LogLimiter;
  readonly #watches = new Set<{ attach(link: DiscoveryLink): Promise<void>; close(): void }>();

  constructor(options: DiscoveryClientOptions) {
    this.#options = options;
    this.#limitLog = createLogLimiter(options.clock, LINES_PER_SECOND);
    this.#link = new ReconnectingLink({
      ...options,
      onLink: (link) => Promise.all([...this.#watches].map((watch) => watch.attach(link))),
    });
  }

  start(): void {
    this.#link.ensure();
  }

  watchTrustBundle(listener: (bundle: TrustBundle) => void): Watch {
    return this.#watch({
      name: "WatchTrustBundle",
      schema: WatchTrustBundleResponseSchema,
      ask: (client, signal) => client.watchTrustBundle({}, { signal }),
      read: trustBundleFromMessage,
      listener,
    });
  }

  watchInbound(listener: (inbound: Inbound) => void): Watch {
    const { workload } = this.#options;
    return this.#watch({
      name: `WatchInbound of ${workload.namespace}/${workload.name}`,
      schema: WatchInboundResponseSchema,
      ask: (client, signal) => client.watchInbound({ workload }, { signal }),
      read: inboundFromMessage,
      listener,
    });
  }

  watchDestination(target: DestinationTarget, listener: (destination: Destination) => void): Watch {
    const request = messageFromDestinationTarget(this.#options.workload, target);
    const name = target.kind === "address" ? target.ip : `${target.host} ${target.subset}`.trim();
    return this.#watch({
      name: `WatchDestination ${name} port ${target.port}`,
      schema: WatchDestinationResponseSchema,
      ask: (client, signal) => client.watchDestination(request, { signal }),
      read: destinationFromMessage,
      listener,
    });
  }

  watchGateway(listener: (config: GatewayConfig) => void): Watch {
    const { workload } = this.#options;
    return this.#watch({
      name: `WatchGateway of ${workload.namespace}/${workload.name}`,
      schema: WatchGatewayResponseSchema,
      ask: (client, signal) => client.watchGateway({ workload }, { signal }),
      read: gatewayFromMessage,
      listener,
    });
  }

  isConnected(): boolean {
    return this.#link.current() !== undefined;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#link.onConnection(listener);
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
    this.#watches.clear();
    this.#link.close();
  }

  #watch<Schema extends DescMessage, Value>(question: Question<Schema, Value>): Watch {
    const { clock, random, log } = this.#options;
    const watch = new DiscoveryWatch(question, {
      clock,
      random,
      log,
      limitLog: this.#limitLog,
      onResponse: () => this.#link.markHealthy(),
      onFailure: (link, error) => this.#isConnectionFault(link, error),
    });
    this.#watches.add(watch);
    const link = this.#link.current();
    if (link !== undefined) void watch.attach(link);
    return {
      close: () => {
        watch.close();
        this.#watches.delete(watch);
      },
    };
  }

  /**
   * A stream that fails alone is reopened; one that fails with its connection, or because of its certificate, is not.
   */
  #isConnectionFault(link: DiscoveryLink, error: unknown): boolean {
    if (link !== this.#link.current()) return true;
    const isUnauthenticated = error instanceof ConnectError && error.code === Code.Unauthenticated;
    if (!isUnauthenticated && link.connection.isAlive()) return false;
    this.#link.giveUp(link, MeshError.from(error).message);
    return true;
  }
}
