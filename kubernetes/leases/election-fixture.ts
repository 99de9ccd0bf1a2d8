/** For tests: processes that stand for leader of one Lease, in this process and under a fake clock. */
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesObject } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { InProcessApi } from "../test-server/in-process-api.ts";
import { TestCluster } from "../test-server/test-cluster.ts";
import { startLeaderElection } from "./leader-election.ts";
import type { Leadership } from "./term.ts";

export const LEASE = { namespace: "mesh", name: "one-leader" };

export class ElectionHarness {
  readonly clock = new FakeClock();
  readonly cluster = new TestCluster({ now: () => this.clock.now() });
  /** Who has acted since when, and until when, by the monotonic clock. */
  readonly terms: { readonly who: string; readonly fromMs: number; untilMs?: number }[] = [];
  /** The most that have acted at a time. */
  mostAtOnce = 0;
  readonly #acting = new Set<Candidate>();
  #processes = 0;

  constructor() {
    this.cluster.create(KINDS.namespaces, {
      ...{ apiVersion: "v1", kind: "Namespace" },
      metadata: { name: LEASE.namespace },
    });
  }

  start(instance: string, options: CandidateOptions = {}): Candidate {
    this.#processes += 1;
    const candidate = new Candidate(this, { ...options, instance, seed: this.#processes });
    candidate.begin();
    return candidate;
  }

  enter(candidate: Candidate): () => void {
    const term: ElectionHarness["terms"][number] = { who: candidate.instance, fromMs: this.clock.monotonicMs() };
    this.terms.push(term);
    this.#acting.add(candidate);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#acting.size);
    return () => {
      term.untilMs = this.clock.monotonicMs();
      this.#acting.delete(candidate);
    };
  }

  get leaders(): readonly string[] {
    return [...this.#acting].map(({ instance }) => instance);
  }

  get lease(): KubernetesObject | undefined {
    return this.cluster.find(KINDS.leases, LEASE);
  }

  /** Somebody writes to the Lease. */
  edit(change: (lease: KubernetesObject) => KubernetesObject): void {
    this.cluster.replace(KINDS.leases, change(this.cluster.get(KINDS.leases, LEASE)));
  }
}

export interface CandidateOptions {
  /** By how much the process's wall clock is ahead. */
  readonly clockOffMs?: number;
  /** How long its work goes on after it was asked to stop. */
  readonly slowMs?: number;
  /** The work of its first term ends with this. */
  readonly fault?: Error;
}

export class Candidate {
  readonly instance: string;
  readonly log = new RecordingLogger();
  leadership: Leadership | undefined;
  /** What happens to its calls. */
  network: "up" | "refuses" | "hangs" | "loses responses" = "up";
  ended: Promise<void> = Promise.resolve();
  readonly #harness: ElectionHarness;
  readonly #options: CandidateOptions & { readonly seed: number };
  readonly #stop = new AbortController();
  readonly #hanging = new Set<() => void>();
  #fault: Error | undefined;

  constructor(
    harness: ElectionHarness,
    options: CandidateOptions & { readonly instance: string; readonly seed: number },
  ) {
    this.#harness = harness;
    this.#options = options;
    this.#fault = options.fault;
    this.instance = options.instance;
  }

  begin(): void {
    const { clock, cluster } = this.#harness;
    const { clockOffMs = 0, seed } = this.#options;
    const own: Clock = {
      now: () => clock.now() + clockOffMs,
      monotonicMs: () => clock.monotonicMs() + seed * 1000,
      setTimeout: (action, delayMs) => clock.setTimeout(action, delayMs),
    };
    const api = new InProcessApi(cluster, { beforeCall: () => this.#pass() });
    const replace = api.replace.bind(api);
    const election = startLeaderElection({
      api: {
        get: api.get.bind(api),
        apply: api.apply.bind(api),
        replace: async (kind, object, options) => {
          const stored = await replace(kind, object, options);
          if (this.network === "loses responses") throw unreachable();
          return stored;
        },
      },
      ...{ lease: LEASE, instance: this.instance, clock: own, log: this.log, signal: this.#stop.signal },
      random: () => (seed % 7) / 7,
      randomBytes: (size) => new Uint8Array(size).fill(seed),
      lead: (leadership) => this.#lead(leadership),
    });
    this.ended = election.ended;
  }

  /** As SIGTERM. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("the process stops"));
    await settlePromises();
  }

  /** Its requests that hang end without a response, as at their time limits. */
  releaseCalls(): void {
    for (const release of [...this.#hanging]) release();
    this.#hanging.clear();
  }

  async #lead(leadership: Leadership): Promise<void> {
    this.leadership = leadership;
    const leave = this.#harness.enter(this);
    const fault = this.#fault;
    this.#fault = undefined;
    try {
      if (fault !== undefined) throw fault;
      await new Promise<void>((resolve) => {
        leadership.signal.addEventListener("abort", () => resolve(), { once: true });
      });
      const { slowMs = 0 } = this.#options;
      if (slowMs > 0) await new Promise<void>((resolve) => void this.#harness.clock.setTimeout(resolve, slowMs));
    } finally {
      leave();
    }
  }

  async #pass(): Promise<void> {
    if (this.network === "refuses") throw unreachable();
    if (this.network === "hangs") await new Promise<void>((resolve) => this.#hanging.add(resolve));
    if (this.network === "hangs") throw unreachable();
  }
}

function unreachable(): KubernetesApiError {
  return new KubernetesApiError("api_unreachable", "connection refused");
}
