import { type ConfigProblem, formatConfigProblem } from "../../mesh/resources/config-problem.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import {
  combineResources,
  EMPTY_SET,
  type ResourceSet,
  type UpdatableSet,
  updateResourceSet,
  updatesBetween,
} from "../../mesh/resources/resource-set.ts";
import type { Clock, Logger, Timer } from "../../mesh/runtime.ts";
import type { ConfigListener, ConfigSource, SourceStatus } from "../config-source.ts";
import { describeChange } from "./describe-change.ts";
import { FileLedger, SETTLE_MS } from "./file-ledger.ts";
import { FolderWatcher } from "./folder-watcher.ts";

export interface FolderSourceOptions {
  /**
   * Read in this order; the files of each in lexical order. If a resource occurs twice, the later one overrides the
   * earlier.
   */
  readonly folders: readonly string[];
  readonly log: Logger;
  readonly clock: Clock;
  /** Stops watching; the last configuration stays readable. */
  readonly signal: AbortSignal;
}

/** From an event to the first scan: one save causes several events. */
const DEBOUNCE_MS = 30;
/** Between scans without an event. */
const RESCAN_MS = 2000;

/**
 * Reads the YAML files of some folders and watches for changes; a change is in force after about 150 ms. Resolves once
 * everything has been read. No content of the folders makes it fail: problems are logged, once for each content.
 */
export async function startFolderSource(options: FolderSourceOptions): Promise<ConfigSource> {
  const source = new FolderSource(options);
  await source.start();
  return source;
}

class FolderSource implements ConfigSource {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  readonly #ledger: FileLedger;
  readonly #watcher: FolderWatcher;
  readonly #listeners = new Set<ConfigListener>();
  #set: UpdatableSet = EMPTY_SET;
  /** `undefined` until everything has been read once. */
  #resources: readonly Resource[] | undefined;
  #timer: { readonly timer: Timer; readonly dueMs: number } | undefined;
  /** Since when a file or folder cannot be used. */
  #staleSinceMs: number | undefined;
  #isScanning = false;
  #hasNewEvent = false;

  constructor({ folders, log, clock, signal }: FolderSourceOptions) {
    this.#log = log;
    this.#clock = clock;
    this.#signal = signal;
    this.#ledger = new FileLedger(folders, clock);
    this.#watcher = new FolderWatcher({ log, onChange: () => this.#onEvent() });
  }

  async start(): Promise<void> {
    this.#signal.addEventListener("abort", () => this.#stop(), { once: true });
    await this.#scan();
    this.#resources ??= [];
  }

  current(): ResourceSet {
    return this.#set;
  }

  subscribe(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  problems(): readonly ConfigProblem[] {
    return this.#ledger.problems();
  }

  status(): SourceStatus {
    if (this.#resources === undefined) return { kind: "starting", isFailing: false, reasons: ["reading the folders"] };
    const reasons = this.#unusable().map(formatConfigProblem);
    return this.#staleSinceMs === undefined
      ? { kind: "current" }
      : { kind: "stale", sinceMs: this.#staleSinceMs, reasons };
  }

  #unusable(): readonly ConfigProblem[] {
    return this.problems().filter(({ finding }) => finding === "UnusableFile");
  }

  #onEvent(): void {
    if (this.#isScanning) this.#hasNewEvent = true;
    else this.#scheduleScan(DEBOUNCE_MS);
  }

  /** A scan that is already scheduled earlier stays: a stream of events must not postpone it forever. */
  #scheduleScan(delayMs: number): void {
    if (this.#signal.aborted) return;
    const dueMs = this.#clock.monotonicMs() + delayMs;
    if (this.#timer !== undefined && this.#timer.dueMs <= dueMs) return;
    this.#timer?.timer.cancel();
    const timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      void this.#scan();
    }, delayMs);
    this.#timer = { timer, dueMs };
  }

  async #scan(): Promise<void> {
    if (this.#signal.aborted || this.#isScanning) return;
    this.#isScanning = true;
    this.#hasNewEvent = false;
    let delayMs = RESCAN_MS;
    try {
      const { changed, unsettled, news, identities } = await this.#ledger.scan();
      if (this.#signal.aborted) return;
      this.#watcher.follow(identities);
      this.#staleSinceMs = this.#unusable().length === 0 ? undefined : (this.#staleSinceMs ?? this.#clock.now());
      for (const problem of news) this.#report(problem);
      if (changed) this.#publish();
      // Timers may fire slightly before the wall clock reaches the time.
      if (unsettled) delayMs = SETTLE_MS + 5;
    } catch (caught) {
      this.#log.error(
        { reason: String(caught) },
        "the configuration folders could not be read; the last configuration stays in force",
      );
    } finally {
      this.#isScanning = false;
    }
    this.#scheduleScan(this.#hasNewEvent ? Math.min(delayMs, DEBOUNCE_MS) : delayMs);
  }

  #publish(): void {
    const before = this.#resources;
    this.#resources = this.#ledger.resources();
    const updates = updatesBetween(combineResources(before ?? []), combineResources(this.#resources));
    const { set, change } = updateResourceSet(this.#set, updates);
    this.#set = set;
    if (before !== undefined)
      this.#log.info({ ...describeChange(before, this.#resources) }, "the configuration has changed");
    for (const listener of [...this.#listeners]) listener(set, change);
  }

  #report(problem: ConfigProblem): void {
    const { severity, file, line, resource, field } = problem;
    this.#log[severity === "error" ? "error" : "warn"]({ file, line, resource, field }, formatConfigProblem(problem));
  }

  #stop(): void {
    this.#timer?.timer.cancel();
    this.#watcher.close();
    this.#listeners.clear();
  }
}
