import { MeshError } from "../../mesh/mesh-error.ts";
import type { Random } from "../../mesh/runtime.ts";
import { pause } from "../bounded-call.ts";
import { createNamed } from "../create-named.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { formatNewLease, withHolder } from "./lease-record.ts";
import { isExpired, type ObservedLease, observeLease } from "./observed-lease.ts";
import { type ElectionTimes, Term, type TermOptions } from "./term.ts";

export interface LeaderElectionOptions extends Omit<TermOptions, "times" | "identity"> {
  readonly api: Pick<KubernetesApi, "get" | "apply" | "replace">;
  /** @default client-go's */
  readonly times?: ElectionTimes;
  readonly random: Random;
  readonly randomBytes: (size: number) => Uint8Array;
}

export interface LeaderElection {
  /** Settles when this process neither leads nor stands any more, and has released its lease. */
  readonly ended: Promise<void>;
}

const DEFAULT_TIMES: ElectionTimes = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };
/** Candidates that were started together must not ask together. */
const JITTER = 0.2;

/**
 * Stands for leader until the signal aborts: of all processes that do so for one Lease (coordination.k8s.io/v1), at most
 * one leads at a time. A lease is taken and renewed by compare-and-swap. A leader that cannot renew stops before another
 * may begin; while the API is away nobody leads after that.
 */
export function startLeaderElection(options: LeaderElectionOptions): LeaderElection {
  return { ended: new Candidate(options).run() };
}

class Candidate {
  readonly #options: LeaderElectionOptions;
  readonly #times: ElectionTimes;
  /** Distinguishes this process from an earlier one of the same pod, whose lease it must not take for its own. */
  readonly #identity: string;
  #observed: ObservedLease | undefined;
  #reported = "";

  constructor(options: LeaderElectionOptions) {
    this.#options = options;
    this.#times = options.times ?? DEFAULT_TIMES;
    this.#identity = `${options.instance}_${Buffer.from(options.randomBytes(8)).toString("hex")}`;
  }

  /** Ends when the signal aborts, and only then. */
  async run(): Promise<void> {
    const { signal, clock, random } = this.#options;
    while (!signal.aborted) {
      await this.#stand().catch((caught: unknown) => this.#report(caught));
      await pause(clock, this.#times.retryMs * (1 + random() * JITTER), signal).catch(() => undefined);
    }
  }

  /** One attempt, and all of the term if it succeeds. */
  async #stand(): Promise<void> {
    const { clock } = this.#options;
    // Before the request: the server may have stored it at once.
    const sent = { monotonicMs: clock.monotonicMs(), wallMs: clock.now() };
    const lease = await this.#acquire();
    this.#reported = "";
    if (lease === undefined) return;
    await new Term({ ...this.#options, times: this.#times, identity: this.#identity }, lease, sent).run();
  }

  /** @returns undefined if another process holds the lease, or was faster */
  async #acquire(): Promise<KubernetesObject | undefined> {
    const { api, lease: name, clock, signal } = this.#options;
    const { leaseMs, renewDeadlineMs } = this.#times;
    const limits = { timeoutMs: renewDeadlineMs, signal };
    const found = await api.get(KINDS.leases, name, limits);
    if (found === undefined) {
      return await createNamed(KINDS.leases, formatNewLease(name, this.#identity, leaseMs, clock.now()), this.#options);
    }
    this.#observed = observeLease(this.#observed, found, clock.monotonicMs());
    const { holder } = this.#observed.record;
    const isFree = holder === "" || holder === this.#identity || isExpired(this.#observed, clock.monotonicMs());
    if (!isFree) return undefined;
    try {
      return await api.replace(KINDS.leases, withHolder(found, this.#identity, leaseMs, clock.now()), limits);
    } catch (caught) {
      if (caught instanceof KubernetesApiError && caught.status === 409) return undefined;
      throw caught;
    }
  }

  /** The same failure once, until an attempt succeeds. */
  #report(caught: unknown): void {
    const { log, lease, signal } = this.#options;
    const { code, message } = MeshError.from(caught);
    if (signal.aborted || code === this.#reported) return;
    this.#reported = code;
    const fields = { component: "kubernetes", code, lease: lease.name, reason: message };
    log.warn(fields, "this process cannot stand for leader; it is tried again");
  }
}
