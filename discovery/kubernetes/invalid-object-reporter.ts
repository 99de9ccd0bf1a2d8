import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import type { FollowedObject, ObjectVersion } from "./followed-object.ts";
import { createEvent, createStatus, type InvalidObjectReport, isReported, reportOf } from "./invalid-object-report.ts";

/** Why something could not be written about an object; it is not tried again. */
export type UnwrittenReport = "too_large" | "refused" | "missing_right";

export interface InvalidObjectReporterOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Names this process in Events: its pod. */
  readonly instance: string;
  /** Counts what could not be written. */
  readonly onUnwritten?: (why: UnwrittenReport) => void;
  readonly signal: AbortSignal;
}

interface Pending {
  readonly kind: ApiKind;
  readonly object: FollowedObject;
  readonly reference: ObjectVersion;
}

/**
 * All replicas see an invalid object at the same moment and would write the same. Each waits for a random time, so that
 * mostly one writes and the others see that it is done.
 */
const MAX_DELAY_MS = 1000;
/** Objects in work at once, and the time between two beginnings: at most 100 a second. */
const MAX_WRITING = 8;
const INTERVAL_MS = 10;
/** The next object is one of so many at random: replicas that write at the same time mostly write different ones. */
const CHOICE = 64;
const RETRY_MS = 30_000;
/** What others overwrite is not written again sooner. */
const REPEAT_MS = 10 * 60_000;

/** Says on an invalid object, in its status and in an Event, what is wrong, and takes it back once it is valid. */
export class InvalidObjectReporter {
  readonly #options: InvalidObjectReporterOptions;
  readonly #pending = new Map<string, Pending>();
  /** What was written last, by object, and when. */
  readonly #written = new Map<string, { readonly content: string; readonly atMs: number }>();
  readonly #refused = new Set<string>();
  /** Objects in work. */
  readonly #writing = new Set<string>();
  readonly #retries = new Set<Timer>();
  #timer: Timer | undefined;

  constructor(options: InvalidObjectReporterOptions) {
    this.#options = options;
    const stop = (): void => {
      for (const timer of [this.#timer, ...this.#retries]) timer?.cancel();
    };
    options.signal.addEventListener("abort", stop, { once: true });
  }

  /** Takes note of an object's present state. */
  note(kind: ApiKind, object: FollowedObject): void {
    const { reference, key } = object;
    if (reference === undefined) return;
    const name = `${kind.kind}/${key}`;
    const report = reportOf(object);
    this.#pending.delete(name);
    if (isReported(object, report)) {
      if (report === undefined) this.#written.delete(name);
      return;
    }
    if (this.#wasWritten(name, contentOf(reference, report))) return;
    this.#pending.set(name, { kind, object, reference });
    this.#schedule(this.#options.random() * MAX_DELAY_MS);
  }

  #wasWritten(name: string, content: string): boolean {
    const written = this.#written.get(name);
    return written?.content === content && this.#options.clock.monotonicMs() - written.atMs < REPEAT_MS;
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== undefined || this.#options.signal.aborted) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      this.#startNext();
    }, delayMs);
  }

  #startNext(): void {
    const name = this.#writing.size < MAX_WRITING ? this.#chooseNext() : undefined;
    const pending = name === undefined ? undefined : this.#pending.get(name);
    if (name === undefined || pending === undefined) return;
    this.#pending.delete(name);
    this.#writing.add(name);
    this.#write(name, pending)
      .catch((caught: unknown) => this.#retryLater(name, pending, caught))
      .finally(() => {
        this.#writing.delete(name);
        if (this.#pending.size > 0) this.#schedule(INTERVAL_MS);
      });
    if (this.#pending.size > 0) this.#schedule(INTERVAL_MS);
  }

  /** Not one of which an earlier state is being written. */
  #chooseNext(): string | undefined {
    const names: string[] = [];
    for (const name of this.#pending.keys()) {
      if (!this.#writing.has(name)) names.push(name);
      if (names.length === CHOICE) break;
    }
    return names[Math.floor(this.#options.random() * names.length)];
  }

  /** The others do not wait for it. */
  #retryLater(name: string, pending: Pending, caught: unknown): void {
    const { clock, log, random, signal } = this.#options;
    if (signal.aborted) return;
    log.warn(
      { resource: name, reason: MeshError.from(caught).message },
      "what is wrong with an object could not be written to its status; trying again",
    );
    const timer = clock.setTimeout(
      () => {
        this.#retries.delete(timer);
        if (!this.#pending.has(name)) this.note(pending.kind, pending.object);
      },
      RETRY_MS * (1 + random()),
    );
    this.#retries.add(timer);
  }

  async #write(name: string, { kind, object, reference }: Pending): Promise<void> {
    const { api, clock, instance, signal } = this.#options;
    const report = reportOf(object);
    // The status of Kubernetes' own kinds belongs to others.
    if (kind.group.endsWith(".istio.io")) {
      const status = createStatus(reference, object, report, clock.now());
      await this.#unlessRefused({ name, right: `patch ${kind.plural}/status.${kind.group}` }, () =>
        api.apply(kind, status, { subresource: "status", force: true, signal }),
      );
    }
    if (report !== undefined) {
      const event = createEvent(reference, report, { instance, nowMs: clock.now() });
      await this.#unlessRefused({ name, right: "create events.events.k8s.io" }, () =>
        api.create(KINDS.events, event, { signal }),
      );
    }
    this.#written.set(name, { content: contentOf(reference, report), atMs: clock.monotonicMs() });
  }

  async #unlessRefused(what: Report, call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
    } catch (caught) {
      const refusal = refusalOf(caught);
      if (refusal === undefined) throw caught;
      if (refusal !== "needless") this.#reportUnwritten(what, refusal, caught);
    }
  }

  #reportUnwritten({ name, right }: Report, why: UnwrittenReport, caught: unknown): void {
    const { log, onUnwritten } = this.#options;
    onUnwritten?.(why);
    if (why !== "missing_right") {
      log.warn({ resource: name, call: right, why, reason: MeshError.from(caught).message }, "a report was refused");
    } else if (!this.#refused.has(right)) {
      this.#refused.add(right);
      log.error({ missingRight: right }, "a right is missing; invalid objects are named in this log alone");
    }
  }
}

/** A call that writes about an object, and the right that it needs. */
interface Report {
  readonly name: string;
  readonly right: string;
}

/**
 * Whether the same call would be refused again; undefined: it may succeed later. What the API server cannot store has no
 * status of its own: etcd's limit is an internal error.
 */
function refusalOf(caught: unknown): UnwrittenReport | "needless" | undefined {
  if (!(caught instanceof KubernetesApiError)) return undefined;
  const { status, message } = caught;
  // The object was deleted, or another control plane has created the Event.
  if (status === 404 || status === 409) return "needless";
  if (status === 403) return "missing_right";
  if (status === 413 || /too large|larger than max/i.test(message)) return "too_large";
  return status === 400 || status === 422 ? "refused" : undefined;
}

function contentOf({ uid, generation }: ObjectVersion, report: InvalidObjectReport | undefined): string {
  return JSON.stringify([uid, generation, report?.message]);
}
