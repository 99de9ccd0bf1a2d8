import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random, Timer } from "../../mesh/runtime.ts";
import type { FollowedObject, ObjectVersion } from "./followed-object.ts";
import { createEvent, createStatus, type InvalidObjectReport, isReported, reportOf } from "./invalid-object-report.ts";

export interface InvalidObjectReporterOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Names this process in Events: its pod. */
  readonly instance: string;
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
const MAX_DELAY_MS = 3000;
/** At most five objects a second, so that a thousand invalid ones do not burden the API server. */
const INTERVAL_MS = 200;
const RETRY_MS = 30_000;
/** The same call would be refused again. */
const REFUSED_FOR_GOOD: ReadonlySet<number> = new Set([400, 403, 404, 409, 422]);
/** What others overwrite is not written again sooner. */
const REPEAT_MS = 10 * 60_000;

/** Says on an invalid object, in its status and in an Event, what is wrong, and takes it back once it is valid. */
export class InvalidObjectReporter {
  readonly #options: InvalidObjectReporterOptions;
  readonly #pending = new Map<string, Pending>();
  /** What was written last, by object, and when. */
  readonly #written = new Map<string, { readonly content: string; readonly atMs: number }>();
  readonly #refused = new Set<string>();
  #timer: Timer | undefined;
  #isWriting = false;

  constructor(options: InvalidObjectReporterOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#timer?.cancel(), { once: true });
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
    if (this.#timer !== undefined || this.#isWriting || this.#options.signal.aborted) return;
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#timer = undefined;
      void this.#writeNext();
    }, delayMs);
  }

  async #writeNext(): Promise<void> {
    const [next] = this.#pending;
    if (next === undefined) return;
    const [name, pending] = next;
    this.#pending.delete(name);
    this.#isWriting = true;
    let delayMs = INTERVAL_MS;
    try {
      await this.#write(name, pending);
    } catch (caught) {
      if (this.#options.signal.aborted) return;
      if (!this.#pending.has(name)) this.#pending.set(name, pending);
      delayMs = RETRY_MS * (1 + this.#options.random());
      this.#options.log.warn(
        { resource: name, reason: MeshError.from(caught).message },
        "what is wrong with an object could not be written to its status; trying again",
      );
    } finally {
      this.#isWriting = false;
    }
    if (this.#pending.size > 0) this.#schedule(delayMs);
  }

  async #write(name: string, { kind, object, reference }: Pending): Promise<void> {
    const { api, clock, instance, signal } = this.#options;
    const report = reportOf(object);
    // The status of Kubernetes' own kinds belongs to others.
    if (kind.group.endsWith(".istio.io")) {
      const status = createStatus(reference, object, report, clock.now());
      await this.#unlessRefused(`patch ${kind.plural}/status.${kind.group}`, () =>
        api.apply(kind, status, { subresource: "status", force: true, signal }),
      );
    }
    if (report !== undefined) {
      const event = createEvent(reference, report, { instance, nowMs: clock.now() });
      await this.#unlessRefused("create events.events.k8s.io", () => api.create(KINDS.events, event, { signal }));
    }
    this.#written.set(name, { content: contentOf(reference, report), atMs: clock.monotonicMs() });
  }

  /** The object may be deleted by now, and another control plane may have created the Event. */
  async #unlessRefused(right: string, call: () => Promise<unknown>): Promise<void> {
    try {
      await call();
    } catch (caught) {
      const status = caught instanceof KubernetesApiError ? (caught.status ?? 0) : 0;
      if (!REFUSED_FOR_GOOD.has(status)) throw caught;
      if (status === 403) this.#reportMissingRight(right);
      if (status === 400 || status === 422) {
        this.#options.log.warn({ call: right, reason: MeshError.from(caught).message }, "a report was refused");
      }
    }
  }

  #reportMissingRight(right: string): void {
    if (this.#refused.has(right)) return;
    this.#refused.add(right);
    this.#options.log.error({ missingRight: right }, "a right is missing; invalid objects are named in this log alone");
  }
}

function contentOf({ uid, generation }: ObjectVersion, report: InvalidObjectReport | undefined): string {
  return JSON.stringify([uid, generation, report?.message]);
}
