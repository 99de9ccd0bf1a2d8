import { formatResource, type ResourceName, type SubscriptionRequest } from "../../../mesh/api/convert-subscription.ts";
import type { TrustReadings, Value as ValueMessage } from "../../../mesh/api/gen/discovery_pb.ts";
import { copyBytes } from "../../../mesh/api/own-copy.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { Clock, LogFields, Logger, LogLimiter, Random, Timer } from "../../../mesh/runtime.ts";
import { type Backoff, createBackoff } from "../../../net/backoff.ts";
import type { AgentMeter } from "../../telemetry/agent-meter.ts";

/** What is subscribed to, and how its values are read. */
export interface Subscribed<Value> {
  readonly resource: ResourceName;
  /** Throws if the value is invalid. */
  readonly decode: (encoded: Uint8Array) => Value;
  /**
   * Takes a value that differs from the last one. Returns why it is not taken whole; then the next stream asks for the whole
   * value. Throws if it is invalid.
   */
  readonly take: (value: Value, received: Received) => Refusal | undefined;
  /** The last value is still the current one. @default ignored */
  readonly confirm?: (received: Received) => void;
}

/** With what an update has come. */
export interface Received {
  readonly readings: TrustReadings | undefined;
  /** By the monotonic clock. What the control plane has sent was made between these times. */
  readonly askedMs: number;
  readonly receivedMs: number;
}

export interface SubscriptionDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Consulted before each log line: an application that dials many addresses has many subscriptions. */
  readonly limitLog: LogLimiter;
  readonly meter: Pick<AgentMeter, "updateRejected">;
}

/** Why a value is not accepted. */
export interface Refusal {
  readonly reason: string;
  /** The root of a trust bundle because of which, as `X509Certificate.fingerprint256`. */
  readonly root?: string;
}

/** A subscription of any resource. */
export interface AnySubscription {
  readonly id: number;
  request(): SubscriptionRequest;
  /** Returns why the value is not accepted, or not whole; `undefined` if it is. */
  deliver(value: ValueMessage, received: Received): Refusal | undefined;
  /** The last value is still the current one. */
  confirm(received: Received): void;
  /** There is no value now. `retry` is called after a delay. */
  fail(reason: string, retry: () => void): void;
  close(): void;
}

const NO_DIGEST = new Uint8Array();
/** How long until a missing response is logged. */
const SILENCE_MS = 10_000;

/** One subscription, over all streams that carry it. The listener receives values that differ from the last one. */
export class Subscription<Value> implements AnySubscription {
  readonly id: number;
  readonly #subscribed: Subscribed<Value>;
  readonly #deps: SubscriptionDeps;
  readonly #backoff: Backoff;
  #silence: Timer | undefined;
  #retry: Timer | undefined;
  #digest: Uint8Array = NO_DIGEST;

  constructor(id: number, subscribed: Subscribed<Value>, deps: SubscriptionDeps) {
    this.id = id;
    this.#subscribed = subscribed;
    this.#deps = deps;
    this.#backoff = createBackoff({ random: deps.random });
    this.#silence = deps.clock.setTimeout(() => this.#reportSilence(), SILENCE_MS);
  }

  request(): SubscriptionRequest {
    return { id: this.id, resource: this.#subscribed.resource, knownDigest: this.#digest };
  }

  deliver({ digest, encoded }: ValueMessage, received: Received): Refusal | undefined {
    if (Buffer.compare(digest, this.#digest) === 0) {
      this.confirm(received);
      return undefined;
    }
    this.#settle();
    try {
      const refusal = this.#subscribed.take(this.#subscribed.decode(encoded), received);
      this.#digest = refusal === undefined ? copyBytes(digest) : NO_DIGEST;
      if (refusal !== undefined) this.#deps.meter.updateRejected(this.#subscribed.resource.kind);
      return refusal;
    } catch (caught) {
      const { code, message, details } = MeshError.from(caught);
      this.#deps.meter.updateRejected(this.#subscribed.resource.kind);
      this.#write("error", { code }, `an invalid response was ignored, the last one stays in force: ${message}`);
      const root = details["fingerprint"];
      return { reason: message, ...(typeof root === "string" && { root }) };
    }
  }

  confirm(received: Received): void {
    this.#settle();
    this.#subscribed.confirm?.(received);
  }

  #settle(): void {
    this.#silence?.cancel();
    this.#retry?.cancel();
    this.#backoff.reset();
  }

  fail(reason: string, retry: () => void): void {
    this.#silence?.cancel();
    this.#retry?.cancel();
    const waitMs = this.#backoff.next();
    this.#write("warn", { waitMs: Math.round(waitMs) }, `the control plane has no value, asking again: ${reason}`);
    this.#retry = this.#deps.clock.setTimeout(retry, waitMs);
  }

  close(): void {
    this.#silence?.cancel();
    this.#retry?.cancel();
  }

  #reportSilence(): void {
    this.#write(
      "warn",
      {},
      `no response within ${SILENCE_MS} ms: the control plane is unreachable, or does not know this pod yet`,
    );
  }

  #write(level: "warn" | "error", fields: LogFields, message: string): void {
    const { log, limitLog } = this.#deps;
    const { isGranted, heldBack } = limitLog("discovery");
    const resource = formatResource(this.#subscribed.resource);
    if (isGranted) log[level]({ resource, ...fields, heldBack }, message);
  }
}
