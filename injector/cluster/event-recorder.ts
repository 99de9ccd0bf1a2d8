import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { createWarningEvent } from "../../kubernetes/warning-event.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
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
  record(event: InjectionEvent): void;
}

/** How long the same Event is not repeated: a controller tries again and again to create a refused pod. */
const REPEAT_MS = 10 * 60_000;
/** Events that are remembered for that; the oldest is forgotten first. */
const MAX_REMEMBERED = 2_000;
/** At most this many are written at once, and wait; others are dropped. */
const MAX_WRITING = 4;
const MAX_WAITING = 100;
/** Over a longer time: Events fill the cluster's store. */
const MAX_PER_MINUTE = 120;
/** Events that no controller vouches for. */
const MAX_UNVERIFIED_PER_MINUTE = 10;
const TIMEOUT_MS = 10_000;

export function createEventRecorder(deps: EventRecorderDeps): EventRecorder {
  const { clock, log } = deps;
  const limitLog = createLogLimiter(clock, 1);
  const isNew = createMemory(clock);
  const isGranted = createQuota(clock, MAX_PER_MINUTE);
  const isUnverifiedGranted = createQuota(clock, MAX_UNVERIFIED_PER_MINUTE);
  const waiting: InjectionEvent[] = [];
  let writing = 0;
  const writeNext = (): void => {
    const event = writing < MAX_WRITING ? waiting.shift() : undefined;
    if (event === undefined || deps.signal.aborted) return;
    writing += 1;
    recordAll(event, deps, isUnverifiedGranted)
      .catch((caught: unknown) => {
        const permit = limitLog("event");
        const { code, message } = MeshError.from(caught);
        if (permit.isGranted)
          log.warn({ code, heldBack: permit.heldBack }, `an Event could not be recorded: ${message}`);
      })
      .finally(() => {
        writing -= 1;
        writeNext();
      });
  };
  return {
    record: (event) => {
      if (waiting.length >= MAX_WAITING || !isNew(event.key) || !isGranted()) return;
      waiting.push(event);
      writeNext();
    },
  };
}

/** Whether an Event has not been recorded for a while. */
function createMemory(clock: Clock): (key: string) => boolean {
  const recordedMs = new Map<string, number>();
  return (key) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - (recordedMs.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return false;
    recordedMs.delete(key);
    recordedMs.set(key, nowMs);
    const [oldest] = recordedMs.keys();
    if (recordedMs.size > MAX_REMEMBERED && oldest !== undefined) recordedMs.delete(oldest);
    return true;
  };
}

function createQuota(clock: Clock, perMinute: number): () => boolean {
  let minute = { startMs: clock.monotonicMs(), count: 0 };
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - minute.startMs >= 60_000) minute = { startMs: nowMs, count: 0 };
    minute.count += 1;
    return minute.count <= perMinute;
  };
}

async function recordAll(
  event: InjectionEvent,
  deps: EventRecorderDeps,
  mayBeUnverified: () => boolean,
): Promise<void> {
  const { api, signal } = deps;
  const owners = await findEventOwners({ api, timeoutMs: TIMEOUT_MS, signal }, event.regarding);
  for (const regarding of owners) await write({ ...event, regarding }, deps);
  if (owners.length > 0 || event.reason !== "SidecarInjectionRefused" || !mayBeUnverified()) return;
  const { namespace } = event.regarding;
  await write({ ...event, regarding: { apiVersion: "v1", kind: "Namespace", namespace, name: namespace } }, deps);
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
