import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { pause } from "../bounded-call.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesApi, KubernetesObject, ObjectName } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { linkedAbort } from "../linked-abort.ts";
import { claimLease, type LeaseObservation, mayTakeLease, observeLease, releaseLease } from "./lease-record.ts";

export interface LeaderElectionDeps {
  readonly api: Pick<KubernetesApi, "get" | "create" | "replace">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface LeaderElectionOptions {
  readonly lease: ObjectName;
  /** Of this process alone: its pod's name. */
  readonly identity: string;
  /** Runs while this process leads. It must end soon after its signal aborts: nobody else leads before. */
  readonly lead: (signal: AbortSignal) => Promise<void>;
  /** How long the others wait for a silent leader. @default 15,000 */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for so long stops leading. Less than the duration. @default 10,000 */
  readonly renewDeadlineMs?: number;
  /** Between attempts. @default 2000 */
  readonly retryMs?: number;
  readonly signal: AbortSignal;
}

/**
 * Takes part in the election until the signal aborts, and resolves then. At most one candidate leads at a time, as long
 * as clocks run equally fast: a leader stops by its own clock before the others may begin.
 */
export async function runLeaderElection(deps: LeaderElectionDeps, options: LeaderElectionOptions): Promise<void> {
  const candidate = new Candidate(deps, options);
  const { signal, retryMs = 2000 } = options;
  while (!signal.aborted) {
    const heldUntilMs = await candidate.tryToHold();
    if (heldUntilMs !== undefined) await candidate.lead(heldUntilMs);
    await pause(deps.clock, retryMs * (1 + deps.random() / 5), signal).catch(() => undefined);
  }
}

class Candidate {
  readonly #deps: LeaderElectionDeps;
  readonly #options: LeaderElectionOptions & { readonly leaseDurationMs: number; readonly renewDeadlineMs: number };
  #observation: LeaseObservation | undefined;

  constructor(deps: LeaderElectionDeps, options: LeaderElectionOptions) {
    this.#deps = deps;
    this.#options = { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, ...options };
  }

  /** Until when the Lease is ours, by the monotonic clock; undefined: it is not. */
  async tryToHold(): Promise<number | undefined> {
    const { clock, log } = this.#deps;
    const { renewDeadlineMs, lease, signal } = this.#options;
    const startedMs = clock.monotonicMs();
    try {
      return (await this.#claim()) ? startedMs + renewDeadlineMs : undefined;
    } catch (caught) {
      const { code, message: why } = MeshError.from(caught);
      if (!signal.aborted)
        log.debug({ component: "kubernetes", code, lease: lease.name, why }, "no Lease could be had");
      return undefined;
    }
  }

  /** Leads until the Lease is lost, the task ends or the process stops. */
  async lead(heldUntilMs: number): Promise<void> {
    const { log } = this.#deps;
    const { signal, identity, lease } = this.#options;
    const fields = { component: "kubernetes", lease: lease.name, identity };
    log.info(fields, "this process leads now");
    const { stop, unlink } = linkedAbort(signal);
    const task = this.#options.lead(stop.signal).catch((caught: unknown) => {
      if (!stop.signal.aborted)
        log.error({ ...fields, why: MeshError.from(caught).message }, "the leader's task failed");
    });
    const renewing = this.#renewUntilLost(heldUntilMs, stop);
    await task;
    stop.abort();
    await renewing;
    unlink();
    log.info(fields, "this process does not lead any more");
    await this.#release();
  }

  /** Aborts when the Lease was not renewed in time, whatever the API does meanwhile. */
  async #renewUntilLost(heldUntilMs: number, stop: AbortController): Promise<void> {
    const { clock } = this.#deps;
    const { retryMs = 2000 } = this.#options;
    const lose = (): void => stop.abort();
    let deadline = clock.setTimeout(lose, heldUntilMs - clock.monotonicMs());
    while (!stop.signal.aborted) {
      const isOver = await pause(clock, retryMs, stop.signal).then(
        () => false,
        () => true,
      );
      const renewedUntilMs = isOver ? undefined : await this.tryToHold();
      if (renewedUntilMs !== undefined && !stop.signal.aborted) {
        deadline.cancel();
        deadline = clock.setTimeout(lose, Math.max(0, renewedUntilMs - clock.monotonicMs()));
      } else if (this.#observation?.holder !== this.#options.identity) lose();
    }
    deadline.cancel();
  }

  /** Writes this process into the Lease, if it may. */
  async #claim(): Promise<boolean> {
    const { api, clock } = this.#deps;
    const { lease: name, identity, leaseDurationMs: durationMs, renewDeadlineMs: timeoutMs } = this.#options;
    const found = await api.get(KINDS.leases, name, { timeoutMs });
    this.#observation = found && observeLease(this.#observation, found, clock.monotonicMs());
    if (this.#observation && !mayTakeLease(this.#observation, identity, clock.monotonicMs())) return false;
    const claimed = claimLease(this.#observation, { name, identity, durationMs, nowMs: clock.now() });
    return await this.#store(claimed, found === undefined ? "create" : "replace");
  }

  /** Compare-and-swap: false if another candidate was faster. */
  async #store(lease: KubernetesObject, verb: "create" | "replace"): Promise<boolean> {
    const { api, clock } = this.#deps;
    try {
      const stored = await api[verb](KINDS.leases, lease, { timeoutMs: this.#options.renewDeadlineMs });
      this.#observation = observeLease(this.#observation, stored, clock.monotonicMs());
      return true;
    } catch (caught) {
      if (caught instanceof KubernetesApiError && caught.status === 409) return false;
      throw caught;
    }
  }

  async #release(): Promise<void> {
    const { clock, log } = this.#deps;
    const { identity, lease } = this.#options;
    if (this.#observation?.holder !== identity) return;
    try {
      await this.#store(releaseLease(this.#observation, clock.now()), "replace");
    } catch (caught) {
      const why = MeshError.from(caught).message;
      log.debug({ component: "kubernetes", lease: lease.name, why }, "the Lease could not be given back; it expires");
    }
  }
}
