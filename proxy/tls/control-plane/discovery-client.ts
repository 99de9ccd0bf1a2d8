import { Code, ConnectError } from "@connectrpc/connect";
import type { Update } from "../../../mesh/api/gen/discovery_pb.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { Destination, DestinationTarget, GatewayConfig, Inbound } from "../../../mesh/policy/types.ts";
import type { LogLimiter, Timer } from "../../../mesh/runtime.ts";
import { type Backoff, createBackoff } from "../../../net/backoff.ts";
import { createLogLimiter } from "../../../net/log-limiter.ts";
import { type AgentMeter, NO_AGENT_METER } from "../../telemetry/agent-meter.ts";
import { type DiscoveringProxy, type DiscoveryLink, DiscoveryStream } from "./discovery-stream.ts";
import { ReconnectingLink, type ReconnectingLinkOptions } from "./reconnecting-link.ts";
import {
  subscribeDestination,
  subscribeGateway,
  subscribeInbound,
  subscribeTrustBundle,
  type TrustListener,
} from "./subscribed-resources.ts";
import { type AnySubscription, type Received, type Refusal, type Subscribed, Subscription } from "./subscription.ts";

/** An open watch. */
export interface Watch {
  close(): void;
}

/**
 * The control plane's data, as it changes. A listener receives the current value first and then each different one. It
 * receives nothing while the control plane is unreachable, so the last value stays in force.
 */
export interface DiscoveryClient {
  watchTrustBundle(listener: TrustListener): Watch;
  watchInbound(listener: (inbound: Inbound) => void): Watch;
  watchDestination(target: DestinationTarget, listener: (destination: Destination) => void): Watch;
  watchGateway(listener: (config: GatewayConfig) => void): Watch;
  isConnected(): boolean;
  /**
   * Calls the listener when the connection to the control plane is established and when it is lost. Returns a function
   * that unsubscribes.
   */
  onConnection(listener: (connected: boolean) => void): () => void;
  /** Connects again, perhaps to another control plane. Until then the present connection is in use. */
  leave(): void;
  close(): void;
}

export interface DiscoveryClientOptions extends Omit<ReconnectingLinkOptions, "onLink">, DiscoveringProxy {
  /** @default counts nothing */
  readonly meter?: Pick<AgentMeter, "updateRejected">;
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

/** Of all subscriptions together. */
const LINES_PER_SECOND = 5;
/** Streams that HTTP/2 resets one after another, without a response: then the connection accepts no more. */
const MAX_RESETS = 3;

/**
 * Carries all subscriptions in one stream. When it moves to a new connection, the old stream stays open until each
 * subscription has a response on the new one.
 */
class StreamingClient implements DiscoveryClient {
  readonly #options: DiscoveryClientOptions;
  readonly #link: ReconnectingLink;
  readonly #limitLog: LogLimiter;
  readonly #backoff: Backoff;
  readonly #subscriptions = new Map<number, AnySubscription>();
  #nextId = 1;
  #stream: DiscoveryStream | undefined;
  #replaced: DiscoveryStream | undefined;
  #retry: Timer | undefined;
  /** Since the last response. */
  #resets = 0;
  #reportMoved: () => void = () => undefined;

  constructor(options: DiscoveryClientOptions) {
    this.#options = options;
    this.#limitLog = createLogLimiter(options.clock, LINES_PER_SECOND);
    this.#backoff = createBackoff({ random: options.random });
    this.#link = new ReconnectingLink({ ...options, onLink: (link) => this.#move(link) });
  }

  start(): void {
    this.#link.ensure();
  }

  watchTrustBundle(listener: TrustListener): Watch {
    return this.#watch(subscribeTrustBundle(listener));
  }

  watchInbound(listener: (inbound: Inbound) => void): Watch {
    return this.#watch(subscribeInbound(listener));
  }

  watchDestination(target: DestinationTarget, listener: (destination: Destination) => void): Watch {
    return this.#watch(subscribeDestination(target, listener));
  }

  watchGateway(listener: (config: GatewayConfig) => void): Watch {
    return this.#watch(subscribeGateway(listener));
  }

  isConnected(): boolean {
    return this.#link.current() !== undefined;
  }

  onConnection(listener: (connected: boolean) => void): () => void {
    return this.#link.onConnection(listener);
  }

  leave(): void {
    this.#link.leave();
  }

  close(): void {
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
    this.#retry?.cancel();
    this.#replaced?.close();
    this.#stream?.close();
    this.#stream = undefined;
    this.#reportMoved();
    this.#link.close();
  }

  #watch<Value>(subscribed: Subscribed<Value>): Watch {
    const { clock, random, log, meter = NO_AGENT_METER } = this.#options;
    const id = this.#nextId;
    this.#nextId += 1;
    const subscription = new Subscription(id, subscribed, { clock, random, log, meter, limitLog: this.#limitLog });
    this.#subscriptions.set(id, subscription);
    if (this.#stream?.isOpen === true) this.#stream.subscribe(subscription.request());
    return {
      close: () => {
        if (!this.#subscriptions.delete(id)) return;
        subscription.close();
        this.#stream?.unsubscribe(id);
        this.#replaced?.unsubscribe(id);
      },
    };
  }

  /** Resolves when the old connection is no longer needed. */
  #move(link: DiscoveryLink): Promise<void> {
    this.#retry?.cancel();
    this.#replaced?.close();
    this.#replaced = this.#stream;
    return new Promise((resolve) => {
      this.#reportMoved = resolve;
      this.#open(link);
    });
  }

  #open(link: DiscoveryLink): void {
    const stream = new DiscoveryStream(link, this.#options, {
      onUpdate: (from, update) => this.#onUpdate(from, update),
      onResponse: (from) => this.#onResponse(from),
      onFailure: (from, error) => this.#onFailure(from, error),
    });
    this.#stream = stream;
    stream.open([...this.#subscriptions.values()].map((subscription) => subscription.request()));
    if (this.#subscriptions.size === 0) this.#retireOld();
  }

  #retireOld(): void {
    this.#replaced?.close();
    this.#replaced = undefined;
    this.#reportMoved();
  }

  #onUpdate(stream: DiscoveryStream, { id, result, readings }: Update): Refusal | undefined {
    const subscription = this.#subscriptions.get(id);
    // What a replaced stream sends is older than a response of its successor.
    if (subscription === undefined || (stream !== this.#stream && this.#stream?.hasAnswered(id) === true))
      return undefined;
    const receivedMs = this.#options.clock.monotonicMs();
    const received: Received = { readings, askedMs: stream.askedMs(id) ?? receivedMs, receivedMs };
    switch (result.case) {
      case "value":
        return subscription.deliver(result.value, received);
      case "unchanged":
        subscription.confirm(received);
        return undefined;
      case "fault":
        subscription.fail(result.value, () => {
          if (this.#subscriptions.has(id) && this.#stream?.isOpen === true)
            this.#stream.subscribe(subscription.request());
        });
        return undefined;
      default:
        return { reason: "an update of an unknown kind" };
    }
  }

  #onResponse(stream: DiscoveryStream): void {
    if (stream !== this.#stream) return;
    this.#resets = 0;
    this.#backoff.reset();
    this.#link.markHealthy();
    if (stream.hasAnsweredAll) this.#retireOld();
  }

  /**
   * A stream that fails alone is opened again; one that fails with its connection, or its certificate, is not. Node's
   * server resets all streams of a connection that holds too much memory, until it ends.
   */
  #onFailure(stream: DiscoveryStream, error: unknown): void {
    if (stream !== this.#stream) return;
    const { link } = stream;
    if (link !== this.#link.current()) return;
    const { message } = MeshError.from(error);
    const code = error instanceof ConnectError ? error.code : undefined;
    this.#resets = code === Code.Internal ? this.#resets + 1 : 0;
    if (code === Code.Unauthenticated) {
      this.#link.refuse(link, message);
      return;
    }
    if (this.#resets >= MAX_RESETS || !link.connection.isAlive()) {
      this.#resets = 0;
      this.#link.giveUp(link, message);
      return;
    }
    const waitMs = this.#backoff.next();
    const { isGranted, heldBack } = this.#limitLog("stream");
    const fields = { waitMs: Math.round(waitMs), heldBack };
    if (isGranted) this.#options.log.warn(fields, `the discovery stream has ended, opening it again: ${message}`);
    this.#retry = this.#options.clock.setTimeout(() => {
      if (stream === this.#stream) this.#open(link);
    }, waitMs);
  }
}
