import { MeshError } from "../../mesh/mesh-error.ts";
import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import type { TrustBundle } from "../../mesh/policy/types.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { TrackedMap, trackReads } from "../../mesh/resources/set/track-reads.ts";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";

/** The trust bundle without the mesh's trust domains, which are a setting. */
export type Trust = Omit<TrustBundle, "trustDomains">;

/** What decisions are made from, at one moment. */
export interface MeshView {
  readonly set: ResourceSet;
  readonly trust: Trust;
  readonly settings: MeshSettings;
  /** The fetched keys of issuers of tokens, by `KeySource.key`. */
  readonly keySets: ReadonlyMap<string, string>;
}

/** Something that follows from the mesh. */
export interface Evaluation {
  /** Reads the mesh through `view` alone, synchronously. */
  evaluate(view: MeshView): void;
}

/** An evaluation that is kept up to date. */
export interface FollowedEvaluation {
  /** Evaluates now if the mesh has changed since the last time. */
  ensureCurrent(): void;
  /** Evaluates now, whatever has changed. Throws what the evaluation throws. */
  evaluate(): void;
  stop(): void;
}

export interface EvaluationsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Checked before a line that a caller causes. */
  readonly limitLog: LogLimiter;
  readonly view: () => MeshView;
}

/** The key of a change of the trusted roots. */
export const KEY_OF_TRUST = "trust";
/** The key of a change of the mesh's settings. */
export const KEY_OF_SETTINGS = "settings";

/** The key of a change of an issuer's keys. @param key of their source. */
export function keyOfKeySet(key: string): string {
  return `${KEY_SETS}/${key}`;
}

const KEY_SETS = "keySets";

/** How long evaluations may run before other work gets a turn. */
const SLICE_MS = 5;

interface Entry {
  readonly evaluation: Evaluation;
  reads: ReadonlySet<string>;
  state: "current" | "stale" | "stopped";
}

/**
 * Evaluates again what a change of the mesh affects, and nothing else: each evaluation depends on what it has read. The
 * work is done in slices, so that a change that affects thousands does not block the process.
 */
export class Evaluations {
  readonly #options: EvaluationsOptions;
  /** Most keys have one dependent, which needs no Set. */
  readonly #byRead = new Map<string, Entry | Set<Entry>>();
  readonly #stale = new Set<Entry>();
  #tracked: { readonly of: ResourceSet; readonly set: ResourceSet } | undefined;
  /** Of the evaluation that runs. */
  #reads = new Set<string>();
  #isWorking = false;

  constructor(options: EvaluationsOptions) {
    this.#options = options;
  }

  /** How many different keys have dependents. */
  get keys(): number {
    return this.#byRead.size;
  }

  follow(evaluation: Evaluation): FollowedEvaluation {
    const entry: Entry = { evaluation, reads: new Set(), state: "stale" };
    return {
      ensureCurrent: () => {
        if (entry.state === "stale") this.#refresh(entry);
      },
      evaluate: () => this.#evaluate(entry),
      stop: () => {
        this.#stale.delete(entry);
        this.#depend(entry, new Set());
        entry.state = "stopped";
      },
    };
  }

  /**
   * Call after each change of the mesh, with the keys of its differences (`SetChange.keys`). What has read one of them
   * is evaluated soon; several changes before that cost one evaluation.
   */
  changed(keys: Iterable<string>): void {
    for (const key of keys) {
      for (const entry of listDependents(this.#byRead.get(key))) {
        entry.state = "stale";
        this.#stale.add(entry);
      }
    }
    if (this.#isWorking || this.#stale.size === 0) return;
    this.#isWorking = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    const { clock } = this.#options;
    while (this.#stale.size > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      const endMs = clock.monotonicMs() + SLICE_MS;
      for (const entry of this.#stale) {
        this.#refresh(entry);
        if (clock.monotonicMs() >= endMs) break;
      }
    }
    this.#isWorking = false;
  }

  #refresh(entry: Entry): void {
    try {
      this.#evaluate(entry);
    } catch (caught) {
      const { isGranted, heldBack } = this.#options.limitLog("decision");
      if (!isGranted) return;
      const { code, message: reason } = MeshError.from(caught);
      this.#options.log.error({ code, reason, heldBack }, "a decision failed; its last result stays in force");
    }
  }

  #evaluate(entry: Entry): void {
    if (entry.state === "stopped") return;
    this.#stale.delete(entry);
    entry.state = "current";
    const { set, trust, settings, keySets } = this.#options.view();
    const reads = new Set<string>();
    this.#reads = reads;
    const view: MeshView = {
      set: this.#track(set),
      keySets: new TrackedMap(keySets, KEY_SETS, (key) => reads.add(key)),
      get trust() {
        reads.add(KEY_OF_TRUST);
        return trust;
      },
      get settings() {
        reads.add(KEY_OF_SETTINGS);
        return settings;
      },
    };
    try {
      entry.evaluation.evaluate(view);
    } finally {
      this.#depend(entry, reads);
    }
  }

  #track(set: ResourceSet): ResourceSet {
    if (this.#tracked?.of !== set) this.#tracked = { of: set, set: trackReads(set, (key) => this.#reads.add(key)) };
    return this.#tracked.set;
  }

  #depend(entry: Entry, reads: ReadonlySet<string>): void {
    for (const read of entry.reads) if (!reads.has(read)) this.#forget(read, entry);
    for (const read of reads) {
      const dependents = this.#byRead.get(read);
      if (dependents === undefined) this.#byRead.set(read, entry);
      else if (dependents instanceof Set) dependents.add(entry);
      else if (dependents !== entry) this.#byRead.set(read, new Set([dependents, entry]));
    }
    entry.reads = reads;
  }

  #forget(read: string, entry: Entry): void {
    const dependents = this.#byRead.get(read);
    if (dependents instanceof Set) dependents.delete(entry);
    if (dependents === entry || (dependents instanceof Set && dependents.size === 0)) this.#byRead.delete(read);
  }
}

function listDependents(dependents: Entry | Set<Entry> | undefined): Iterable<Entry> {
  if (dependents === undefined) return [];
  return dependents instanceof Set ? dependents : [dependents];
}
