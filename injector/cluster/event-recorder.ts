import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { createWarningEvent } from "../../kubernetes/warning-event.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, LogLimiter, Timer } from "../../mesh/runtime.ts";
import { ClientTurns } from "../../net/client-turns.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import { createEventMemory, createQuota } from "./event-limits.ts";
import { findEventOwners } from "./event-owners.ts";
import type { InjectionEvent } from "./injection-event.ts";

export interface EventRecorderDeps {
  readonly api: Pick<KubernetesApi, "get" | "create">;
  /** This process, such as the pod's name. */
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hexadecimal digits for the names of Events. */
  readonly createToken: () => string;
  readonly signal: AbortSignal;
}

/** Records Events beside the admission: never waits, never fails. */
export interface EventRecorder {
  /** @param client the address of the review's sender */
  record(event: InjectionEvent, client: string): void;
}

/** Events of one client that the API is asked about. API servers send all reviews of a cluster from few addresses. */
const MAX_PER_CLIENT = 120;
/** Events that are written in one namespace, and in all. They fill the cluster's store. */
const MAX_PER_NAMESPACE = 30;
const MAX_PER_MINUTE = 240;
/** How many are in work at once, how long after one the next begins, and how many wait. */
const MAX_RUNNING = 4;
const INTERVAL_MS = 50;
const MAX_WAITING = 500;
const TIMEOUT_MS = 10_000;

/**
 * Any pod of the cluster can call the webhook with forged reviews, and no API server proves who it is: that would need a
 * client certificate in each one's configuration. So the clients' addresses take turns, each with a quota, and what is
 * written is counted only when the API has confirmed the object: forged reviews use up nothing that real ones need.
 */
export function createEventRecorder(deps: EventRecorderDeps): EventRecorder {
  return new TurnwiseRecorder(deps);
}

class TurnwiseRecorder implements EventRecorder {
  readonly #deps: EventRecorderDeps;
  readonly #limitLog: LogLimiter;
  readonly #waiting = new ClientTurns<InjectionEvent>();
  readonly #recorded: ReturnType<typeof createEventMemory>;
  readonly #isGrantedToClient: (client: string) => boolean;
  readonly #isGrantedToNamespace: (namespace: string) => boolean;
  readonly #isGranted: (key: "all") => boolean;
  #running = 0;
  #timer: Timer | undefined;

  constructor(deps: EventRecorderDeps) {
    const { clock, signal } = deps;
    this.#deps = deps;
    this.#limitLog = createLogLimiter(clock, 1);
    this.#recorded = createEventMemory(clock);
    this.#isGrantedToClient = createQuota(clock, MAX_PER_CLIENT);
    this.#isGrantedToNamespace = createQuota(clock, MAX_PER_NAMESPACE);
    this.#isGranted = createQuota(clock, MAX_PER_MINUTE);
    signal.addEventListener("abort", () => this.#timer?.cancel(), { once: true });
  }

  record(event: InjectionEvent, client: string): void {
    if (this.#recorded.has(event.key) || !this.#isGrantedToClient(client)) return;
    this.#waiting.push(client, event);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.dropFromLongest();
    this.#startNext();
  }

  #startNext(): void {
    const { clock, signal } = this.#deps;
    if (this.#timer !== undefined || this.#running >= MAX_RUNNING || signal.aborted) return;
    const event = this.#waiting.next();
    if (event === undefined) return;
    this.#running += 1;
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      this.#startNext();
    }, INTERVAL_MS);
    this.#recordConfirmed(event)
      .catch((caught: unknown) => this.#report(caught))
      .finally(() => {
        this.#running -= 1;
        this.#startNext();
      });
  }

  async #recordConfirmed(event: InjectionEvent): Promise<void> {
    const { api, signal } = this.#deps;
    const owners = await findEventOwners({ api, timeoutMs: TIMEOUT_MS, signal }, event.regarding);
    if (owners.length === 0 || this.#recorded.has(event.key)) return;
    if (!this.#isGrantedToNamespace(event.regarding.namespace) || !this.#isGranted("all")) return;
    this.#recorded.add(event.key);
    for (const regarding of owners) await write({ ...event, regarding }, this.#deps);
  }

  #report(caught: unknown): void {
    const { code, message } = MeshError.from(caught);
    const { isGranted, heldBack } = this.#limitLog("event");
    if (isGranted) this.#deps.log.warn({ code, heldBack }, `an Event could not be recorded: ${message}`);
  }
}

async function write({ reason, note, regarding }: InjectionEvent, deps: EventRecorderDeps): Promise<void> {
  const { api, instance, clock, createToken, signal } = deps;
  const event = createWarningEvent({
    regarding,
    reason,
    action: "Inject",
    note,
    reporter: "entente.io/sidecar-injector",
    instance,
    id: createToken(),
    nowMs: clock.now(),
  });
  await api.create(KINDS.events, event, { timeoutMs: TIMEOUT_MS, signal });
}
