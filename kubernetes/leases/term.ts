import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Timer } from "../../mesh/runtime.ts";
import { pause } from "../bounded-call.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { linkedAbort } from "../linked-abort.ts";
import { type LeaseName, readLease, withoutHolder, withRenewal } from "./lease-record.ts";

/** The right to act alone, for as long as it lasts. */
export interface Leadership {
  /** Aborts when the lease is lost or was not renewed in time, and when the process stops. */
  readonly signal: AbortSignal;
  /**
   * Whether no other process may lead yet. To be asked before each write: after a pause of the process (a blocked event
   * loop, a suspended machine) the signal can be late.
   */
  isCurrent(): boolean;
}

/** In milliseconds. */
export interface ElectionTimes {
  /** So long after a renewal nobody else may lead, in whole seconds. client-go: 15,000 */
  readonly leaseMs: number;
  /** So long after its last renewal a leader stops: less than `leaseMs`, since clocks differ in rate. client-go: 10,000 */
  readonly renewDeadlineMs: number;
  /** Between renewals, and between attempts to become the leader. client-go: 2,000 */
  readonly retryMs: number;
}

export interface TermOptions {
  readonly api: Pick<KubernetesApi, "get" | "replace">;
  readonly lease: LeaseName;
  /** Names the process, for people: its pod. */
  readonly instance: string;
  /** The holder's name in the Lease. */
  readonly identity: string;
  /**
   * Runs while this process leads, until the signal aborts. It must stop then: the lease is released only when it has
   * settled, and this process does not stand again before.
   */
  readonly lead: (leadership: Leadership) => Promise<void>;
  readonly times: ElectionTimes;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the candidacy; a leader releases its lease. */
  readonly signal: AbortSignal;
}

/** When a request was sent. */
interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** For giving the lease back at the end; the process is waiting to exit. */
const RELEASE_MS = 2000;

/** One process's time as the leader. */
export class Term implements Leadership {
  readonly #options: TermOptions;
  readonly #stop: AbortController;
  readonly #unlink: () => void;
  #lease: KubernetesObject;
  /** The last successful renewal, as it was sent: the server counts from no earlier moment. */
  #renewed: Moment;
  #deadline: Timer;
  #isLost = false;

  constructor(options: TermOptions, lease: KubernetesObject, sent: Moment) {
    this.#options = options;
    const { stop, unlink } = linkedAbort(options.signal);
    this.#stop = stop;
    this.#unlink = unlink;
    this.#lease = lease;
    this.#renewed = sent;
    this.#deadline = this.#startDeadline();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  isCurrent(): boolean {
    return !this.signal.aborted && this.#leftMs() > 0;
  }

  /** Leads until the lease is lost or the process stops, and releases the lease if it still holds it. */
  async run(): Promise<void> {
    const { log, lease, lead, instance } = this.#options;
    log.info({ component: "kubernetes", lease: lease.name, instance }, "this process leads now");
    const work = lead(this).catch((caught: unknown) => this.#reportFault(caught));
    const renewing = this.#renewUntilOver();
    await work;
    // It has ended by itself.
    this.#stop.abort(new Error("the leader's work has ended"));
    await renewing;
    this.#deadline.cancel();
    this.#unlink();
    if (!this.#isLost) await this.#release();
  }

  async #renewUntilOver(): Promise<void> {
    const { clock, times } = this.#options;
    let reported = "";
    while (!this.signal.aborted) {
      try {
        await pause(clock, times.retryMs, this.signal);
        await this.#renew();
        reported = "";
      } catch (caught) {
        const { code, message } = MeshError.from(caught);
        if (this.signal.aborted || code === reported) continue;
        reported = code;
        this.#options.log.warn(
          { component: "kubernetes", code, lease: this.#options.lease.name, reason: message },
          "the lease of the leader could not be renewed; it is tried again",
        );
      }
    }
  }

  async #renew(): Promise<void> {
    const { api, clock, times } = this.#options;
    const sent = { monotonicMs: clock.monotonicMs(), wallMs: clock.now() };
    // A call that hangs leaves time for another one.
    const limits = { timeoutMs: times.renewDeadlineMs / 2, signal: this.signal };
    try {
      this.#lease = await api.replace(KINDS.leases, withRenewal(this.#lease, times.leaseMs, sent.wallMs), limits);
    } catch (caught) {
      if (!(caught instanceof KubernetesApiError) || (caught.status !== 409 && caught.status !== 404)) throw caught;
      await this.#readAgain();
      return;
    }
    this.#renewed = sent;
    this.#deadline.cancel();
    this.#deadline = this.#startDeadline();
  }

  /** Somebody has changed the Lease: another leader, or an earlier renewal whose response was lost. */
  async #readAgain(): Promise<void> {
    const { api, lease, identity, times } = this.#options;
    const found = await api.get(KINDS.leases, lease, { timeoutMs: times.renewDeadlineMs / 2, signal: this.signal });
    if (found === undefined || readLease(found).holder !== identity) {
      this.#lose("another process has taken the lease, or it was deleted");
      return;
    }
    this.#lease = found;
  }

  /** By both clocks: the monotonic one stands still while a machine is suspended, the other can be set. */
  #leftMs(): number {
    const { clock, times } = this.#options;
    const { monotonicMs, wallMs } = this.#renewed;
    return times.renewDeadlineMs - Math.max(clock.monotonicMs() - monotonicMs, clock.now() - wallMs);
  }

  #startDeadline(): Timer {
    const { clock, times } = this.#options;
    const leftMs = times.renewDeadlineMs - (clock.monotonicMs() - this.#renewed.monotonicMs);
    return clock.setTimeout(() => this.#lose("it was not renewed in time"), Math.max(0, leftMs));
  }

  #lose(why: string): void {
    if (this.signal.aborted) return;
    this.#isLost = true;
    const { log, lease } = this.#options;
    log.warn({ component: "kubernetes", code: "lease_lost", lease: lease.name, why }, "this process leads no more");
    this.#stop.abort(new Error(`the lease ${lease.name} was lost: ${why}`));
  }

  /** So that another process need not wait for its end. */
  async #release(): Promise<void> {
    const { api, clock, log, lease, identity } = this.#options;
    try {
      // Again: a renewal that was cut off may have been stored.
      const found = await api.get(KINDS.leases, lease, { timeoutMs: RELEASE_MS });
      if (found === undefined || readLease(found).holder !== identity) return;
      await api.replace(KINDS.leases, withoutHolder(found, clock.now()), { timeoutMs: RELEASE_MS });
    } catch (caught) {
      const { code, message } = MeshError.from(caught);
      const fields = { component: "kubernetes", code, lease: lease.name, reason: message };
      log.warn(fields, "the lease could not be released: the next leader waits for its end");
    }
  }

  #reportFault(caught: unknown): void {
    if (this.signal.aborted) return;
    const { code, message } = MeshError.from(caught);
    const fields = { component: "kubernetes", code, lease: this.#options.lease.name, reason: message };
    this.#options.log.error(fields, "the work of the leader has failed; it is tried again");
  }
}
