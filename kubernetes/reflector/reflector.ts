import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { type Moment, momentOf } from "../../net/moment.ts";
import { pause } from "../bounded-call.ts";
import { formatResourceName } from "../kinds.ts";
import type { KubernetesApi } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { ChangeBatches } from "./change-batches.ts";
import { listPages, type Selection } from "./list-pages.ts";
import { type ObjectChange, ObjectStore, type Transform } from "./object-store.ts";
import { decidePlan, type History, historyAfter, type Outcome, type Plan, silenceLimit } from "./reflector-plan.ts";
import { type ReflectorStatus, reportConsumerFailure, reportStatus, statusAfterFailure } from "./reflector-status.ts";
import { isKindAbsent, refuseResumption } from "./server-checks.ts";
import { runWatchSession } from "./watch-session.ts";

export interface ReflectorDeps {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface ReflectorOptions<Stored> {
  readonly selection: Selection;
  /** Runs before an object is stored. `withoutManagedFields` is the least; what is not needed costs memory. */
  readonly transform: Transform<Stored>;
  /** Receives every change in its order, from the first list on, a complete list in one batch. */
  readonly onChanges: (changes: readonly ObjectChange<Stored>[]) => void;
  readonly onStatus?: (status: ReflectorStatus) => void;
  /** How long events are collected before they are delivered. @default 20 */
  readonly batchMs?: number;
  /** The time between complete lists, up to a quarter longer. @default 30 minutes */
  readonly resyncMs?: number;
  /** Silence after which a watch is doubted. API servers send a bookmark a minute. @default 150,000 */
  readonly silenceMs?: number;
  readonly signal: AbortSignal;
}

/** The server's objects of one kind, as far as they are known. */
export interface Reflector<Stored> {
  /** By `namespace/name`. Never emptied by a failure: the last state stays in force. */
  readonly objects: ReadonlyMap<string, Stored>;
  /** Whether a complete list has been delivered, or the server does not have the kind. Never false again. */
  readonly hasSynced: boolean;
  /** Resolves when `hasSynced` becomes true; never if the signal aborts before. */
  readonly synced: Promise<void>;
  status(): ReflectorStatus;
  /** When what was delivered was last known to be the server's state: by a list, an event or a bookmark, not an open watch. */
  confirmedAt(): Moment | undefined;
}

/** Follows all objects of a kind until the signal aborts, through whatever happens to the server or the connection. */
export function startReflector<Stored>(deps: ReflectorDeps, options: ReflectorOptions<Stored>): Reflector<Stored> {
  const reflector = new RunningReflector(deps, options);
  void reflector.run();
  return reflector;
}

/** A kind that the server denies for so long has been withdrawn, and its objects with it. */
const WITHDRAWN_AFTER_MS = 30_000;

/** After a failure of a consumer. */
const CONSUMER_RETRY_MS = 30_000;

class RunningReflector<Stored> implements Reflector<Stored> {
  readonly #deps: ReflectorDeps;
  readonly #options: ReflectorOptions<Stored>;
  readonly #store: ObjectStore<Stored>;
  readonly #batches: ChangeBatches<Stored>;
  readonly #synced = Promise.withResolvers<void>();
  readonly synced = this.#synced.promise;
  #hasSynced = false;
  #status: ReflectorStatus;
  /** By the wall clock, for people. */
  #heardMs: number;
  /** When the last event or bookmark was received; its changes may not be delivered yet. */
  #knownAt: Moment | undefined;
  #confirmedAt: Moment | undefined;
  #absentSinceMs: number | undefined;
  #history: Omit<History, "listAgeMs"> = { failures: 0, resyncMs: 0 };
  #listedMs = 0;
  /** Silent watches in a row after which a list showed no difference. */
  #quietWatches = 0;
  #wasSilent = false;

  constructor(deps: ReflectorDeps, options: ReflectorOptions<Stored>) {
    const { clock } = deps;
    this.#deps = deps;
    this.#options = options;
    this.#store = new ObjectStore(options.transform);
    this.#batches = new ChangeBatches({ clock, batchMs: options.batchMs ?? 20, deliver: (all) => this.#deliver(all) });
    this.#heardMs = clock.now();
    this.#status = { kind: "starting", sinceMs: this.#heardMs };
  }

  get objects(): ReadonlyMap<string, Stored> {
    return this.#store.objects;
  }

  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  status(): ReflectorStatus {
    return this.#status;
  }

  confirmedAt(): Moment | undefined {
    return this.#confirmedAt;
  }

  /** Ends when the signal aborts, and only then. */
  async run(): Promise<void> {
    const { signal } = this.#options;
    let plan: Plan = { kind: "list", afterMs: 0 };
    while (!signal.aborted) {
      plan = await this.#carryOut(plan).catch((caught: unknown): Plan => {
        if (!signal.aborted) reportConsumerFailure(this.#deps.log, this.#options.selection, caught);
        return { kind: "list", afterMs: CONSUMER_RETRY_MS };
      });
    }
    this.#batches.cancel();
  }

  async #carryOut(plan: Plan): Promise<Plan> {
    const { clock, random } = this.#deps;
    await pause(clock, plan.afterMs, this.#options.signal);
    const outcome = await this.#run(plan);
    this.#history = historyAfter(this.#history, outcome);
    return decidePlan(outcome, { ...this.#history, listAgeMs: clock.monotonicMs() - this.#listedMs }, random);
  }

  async #run(plan: Plan): Promise<Outcome> {
    switch (plan.kind) {
      case "list":
        return await this.#list();
      case "watch":
        return await this.#watch(plan.resourceVersion);
      case "resume":
        return await this.#resume(plan.resourceVersion);
    }
  }

  async #resume(resourceVersion: string): Promise<Outcome> {
    const { selection, signal } = this.#options;
    const refused = await refuseResumption(this.#deps.api, { selection, resourceVersion, signal });
    if (refused === undefined) return await this.#watch(resourceVersion);
    if (refused.kind === "watch-refused") this.#noteFailure("list", refused.error);
    return refused;
  }

  async #list(): Promise<Outcome> {
    const { selection, transform, signal, resyncMs = 30 * 60_000 } = this.#options;
    const begunAt = momentOf(this.#deps.clock);
    try {
      const { objects, resourceVersion } = await listPages(this.#deps.api, { selection, transform, signal });
      this.#hear();
      this.#absentSinceMs = undefined;
      this.#listedMs = this.#deps.clock.monotonicMs();
      this.#history = { ...this.#history, resyncMs: resyncMs * (1 + this.#deps.random() / 4) };
      const hasChanged = this.#replace(objects);
      this.#confirmedAt = begunAt;
      if (this.#wasSilent) this.#quietWatches = hasChanged ? 0 : this.#quietWatches + 1;
      return { kind: "listed", resourceVersion };
    } catch (caught) {
      if (signal.aborted || !(caught instanceof KubernetesApiError)) throw caught;
      if (caught.status === 404 && (await isKindAbsent(this.#deps.api, selection.kind, signal))) this.#noteAbsence();
      else this.#noteFailure("list", caught);
      return { kind: "list-refused", error: caught };
    }
  }

  async #watch(resourceVersion: string): Promise<Outcome> {
    const { selection, signal, silenceMs = 150_000 } = this.#options;
    const outcome = await runWatchSession(
      { ...this.#deps, signal },
      {
        selection,
        resourceVersion,
        silenceMs: silenceLimit(silenceMs, this.#quietWatches),
        onOpen: () => {
          this.#hear();
          this.#setStatus({ kind: "current", sinceMs: this.#deps.clock.now() });
        },
        onHeard: () => {
          this.#hear();
          this.#knownAt = momentOf(this.#deps.clock);
          if (!this.#batches.isWaiting) this.#confirmedAt = this.#knownAt;
          this.#quietWatches = 0;
          this.#history = { ...this.#history, failures: 0 };
        },
        onChange: (event) => this.#batches.add(this.#store.apply(event)),
      },
    );
    if (outcome.kind === "watch-refused") this.#noteFailure("watch", outcome.error);
    if (outcome.kind === "watch-ended") this.#hear();
    this.#wasSilent = outcome.kind === "watch-lost" && outcome.why === "silent";
    return outcome;
  }

  /** Changes of a list are delivered at once and together, behind those that came before. Whether there are any. */
  #replace(objects: ReadonlyMap<string, Stored>): boolean {
    const changes = this.#store.replace(objects);
    this.#batches.add(changes);
    this.#batches.flush();
    this.#hasSynced = true;
    this.#synced.resolve();
    return changes.length > 0;
  }

  #noteAbsence(): void {
    const { clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    this.#absentSinceMs ??= nowMs;
    const absentMs = nowMs - this.#absentSinceMs;
    if (this.#store.objects.size > 0 && absentMs < WITHDRAWN_AFTER_MS) {
      const why = `the server does not offer ${formatResourceName(this.#options.selection.kind)} any more`;
      this.#setStatus({ kind: "stale", sinceMs: this.#heardMs, why });
      return;
    }
    this.#replace(new Map());
    if (this.#status.kind !== "absent") this.#setStatus({ kind: "absent", sinceMs: clock.now() });
  }

  #noteFailure(verb: "list" | "watch", error: KubernetesApiError): void {
    this.#absentSinceMs = undefined;
    const { selection } = this.#options;
    this.#setStatus(statusAfterFailure({ verb, selection, error, sinceMs: this.#heardMs }));
  }

  #hear(): void {
    this.#heardMs = this.#deps.clock.now();
  }

  #setStatus(status: ReflectorStatus): void {
    const hasChanged = this.#status.kind !== status.kind;
    this.#status = status;
    if (hasChanged) reportStatus(this.#deps.log, this.#options.selection, status);
    this.#options.onStatus?.(status);
  }

  #deliver(changes: readonly ObjectChange<Stored>[]): void {
    try {
      this.#options.onChanges(changes);
      this.#confirmedAt = this.#knownAt;
    } catch (caught) {
      reportConsumerFailure(this.#deps.log, this.#options.selection, caught);
    }
  }
}
