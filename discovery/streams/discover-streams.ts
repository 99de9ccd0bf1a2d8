import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { DiscoverRequest, DiscoverResponse, Subscribe } from "../../mesh/api/gen/discovery_pb.ts";
import { formatCaller, type VerifiedPeer } from "../../mesh/api/peer-context.ts";
import type { TrustReadings } from "../../mesh/policy/authentication/trust-readings.ts";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";
import { CallRates } from "../../net/call-rates.ts";
import { startWallTimer } from "../../net/wall-timer.ts";
import type { Evaluations } from "../decisions/evaluations.ts";
import type { SharedDecisions } from "../decisions/shared-decisions.ts";
import { admitCaller, certificateExpired } from "./admit-caller.ts";
import { BundleRoots } from "./bundle-record.ts";
import { OpenStreams } from "./open-streams.ts";
import { Outbox } from "./outbox.ts";
import { costOf } from "./request-cost.ts";
import { ServedProxy } from "./served-proxy.ts";
import type { StreamLimits } from "./stream-limits.ts";
import type { ProxyStatus, ProxyTrust } from "./stream-status.ts";
import { UnreadBytes } from "./unread-bytes.ts";

export interface DiscoverStreamsOptions {
  readonly evaluations: Evaluations;
  readonly decisions: SharedDecisions;
  /** Of the trust bundle, at this moment. @default none */
  readonly readings?: () => TrustReadings | undefined;
  readonly limits: StreamLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Checked before a line that a caller causes: callers must not be able to fill the disk. */
  readonly limitLog: LogLimiter;
  /** Aborts when the control plane stops. */
  readonly shutdown: AbortSignal;
}

/** How many of one request are handled before other work gets a turn. */
const SUBSCRIPTIONS_PER_TURN = 32;
const UNSUBSCRIPTIONS_PER_TURN = 1024;

/** Serves the streams of authorized callers, within the limits. */
export class DiscoverStreams {
  readonly #options: DiscoverStreamsOptions;
  readonly #open: OpenStreams<ServedProxy>;
  readonly #rates: CallRates;
  readonly #unread: UnreadBytes;
  readonly #bundleRoots = new BundleRoots();
  /** Of all streams. One listener of the shutdown serves them all: adding one costs as much as there are. */
  readonly #outboxes = new Set<Outbox>();

  constructor(options: DiscoverStreamsOptions) {
    const { limits, clock, shutdown } = options;
    this.#options = options;
    this.#open = new OpenStreams(limits);
    this.#rates = new CallRates({ callBurst: limits.requestBurst, callsPerSecond: limits.requestsPerSecond }, clock);
    this.#unread = new UnreadBytes(limits.unreadBytesPerCaller);
    const onShutdown = (): void => {
      for (const outbox of this.#outboxes) outbox.end(stopping());
    };
    shutdown.addEventListener("abort", onShutdown, { once: true });
  }

  /** The proxies that are connected, in the order in which they connected. */
  status(): readonly ProxyStatus[] {
    return [...this.#open.named].map((proxy) => proxy.status());
  }

  /** Of the same proxies, in the same order. */
  trust(): readonly ProxyTrust[] {
    return [...this.#open.named].map((proxy) => proxy.trust());
  }

  /**
   * The responses of one stream. Ends normally with the call, with Unavailable when the control plane stops, with
   * Unauthenticated when the caller's certificate expires, and with the error when access is denied.
   */
  async *discover(
    requests: AsyncIterable<DiscoverRequest>,
    context: HandlerContext,
  ): AsyncGenerator<DiscoverResponse, void> {
    const { clock, limits } = this.#options;
    const caller = admitCaller(context, clock.now());
    const release = this.#open.admit(caller);
    const outbox = new Outbox();
    const proxy = new ServedProxy({
      ...this.#options,
      bundleRoots: this.#bundleRoots,
      caller,
      outbox,
      open: this.#open,
    });
    const stopWatching = this.#watchEnd(outbox, caller, context.signal);
    const first = clock.setTimeout(() => {
      if (!proxy.isNamed)
        outbox.end(new ConnectError("the first request did not arrive in time", Code.DeadlineExceeded));
    }, limits.firstRequestMs);
    void this.#read(requests, proxy, outbox);
    try {
      while (await outbox.ready()) yield* this.#send(proxy, outbox, context.signal);
    } finally {
      first.cancel();
      outbox.end();
      stopWatching();
      proxy.close();
      release();
    }
  }

  /** Everything that is to be sent now. */
  async *#send(proxy: ServedProxy, outbox: Outbox, call: AbortSignal): AsyncGenerator<DiscoverResponse, void> {
    for (let batch = proxy.take(); outbox.isOpen && batch !== undefined; batch = proxy.take()) {
      const sent = await this.#unread.take(formatCaller(proxy.caller), batch.bytes, call);
      try {
        yield batch.response;
      } finally {
        sent();
      }
    }
  }

  /** Ends the outbox with the call, the control plane, or the certificate. Returns the function that stops watching. */
  #watchEnd(outbox: Outbox, caller: VerifiedPeer, call: AbortSignal): () => void {
    const { clock, shutdown } = this.#options;
    const onCallOver = (): void => outbox.end();
    if (shutdown.aborted) outbox.end(stopping());
    if (call.aborted) onCallOver();
    call.addEventListener("abort", onCallOver, { once: true });
    this.#outboxes.add(outbox);
    const expiry = startWallTimer(clock, caller.notAfterMs, () => outbox.end(certificateExpired(caller, clock.now())));
    return () => {
      expiry.cancel();
      call.removeEventListener("abort", onCallOver);
      this.#outboxes.delete(outbox);
    };
  }

  /** A fault of the requests ends the stream; their end does, too. */
  async #read(requests: AsyncIterable<DiscoverRequest>, proxy: ServedProxy, outbox: Outbox): Promise<void> {
    try {
      for await (const request of requests) {
        await this.#pace(proxy.caller, costOf(request));
        if (!outbox.isOpen) return;
        await this.#handle(request, proxy, outbox);
      }
      outbox.end();
    } catch (caught) {
      outbox.end(caught instanceof Error ? caught : new Error(String(caught)));
    }
  }

  /** A caller that sends more than its rate is read later, so its connection holds back what it sends. */
  async #pace(caller: VerifiedPeer, count: number): Promise<void> {
    const { clock } = this.#options;
    const waitMs = this.#rates.reserve(formatCaller(caller), count);
    if (waitMs > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, waitMs));
  }

  async #handle(request: DiscoverRequest, proxy: ServedProxy, outbox: Outbox): Promise<void> {
    const { proxy: named, subscribe, unsubscribe, acknowledgement } = request;
    if (!proxy.isNamed) proxy.identify(named);
    if (acknowledgement !== undefined) proxy.acknowledge(acknowledgement);
    const unsubscribeOne = (id: number): void => proxy.unsubscribe(id);
    await inTurns(unsubscribe, { perTurn: UNSUBSCRIPTIONS_PER_TURN, outbox, handle: unsubscribeOne });
    const subscribeOne = (subscription: Subscribe): void => proxy.subscriptions.subscribe(subscription);
    await inTurns(subscribe, { perTurn: SUBSCRIPTIONS_PER_TURN, outbox, handle: subscribeOne });
  }
}

interface Turns<Item> {
  readonly perTurn: number;
  /** Ends them. */
  readonly outbox: Outbox;
  readonly handle: (item: Item) => void;
}

/** Other work gets a turn after some of the items. */
async function inTurns<Item>(items: readonly Item[], { perTurn, outbox, handle }: Turns<Item>): Promise<void> {
  for (const [index, item] of items.entries()) {
    if (index % perTurn === perTurn - 1) await new Promise((resolve) => setImmediate(resolve));
    if (!outbox.isOpen) return;
    handle(item);
  }
}

function stopping(): ConnectError {
  return new ConnectError("the control plane is stopping", Code.Unavailable);
}
