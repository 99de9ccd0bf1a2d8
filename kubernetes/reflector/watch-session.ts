import type { Clock, Random } from "../../mesh/runtime.ts";
import type { KubernetesApi, KubernetesObject, WatchEvent } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { linkedAbort } from "../linked-abort.ts";
import type { Selection } from "./list-pages.ts";
import { readUntilSilent, SilenceError } from "./read-until-silent.ts";
import { isBackwards, type Outcome } from "./reflector-plan.ts";

export type ChangeEvent = Extract<WatchEvent, { readonly object: KubernetesObject }>;

export interface WatchSessionDeps {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

export interface WatchSession {
  readonly selection: Selection;
  readonly resourceVersion: string;
  /** An open watch without an event or bookmark for so long is given up. */
  readonly silenceMs: number;
  readonly onOpen: () => void;
  /** Called for each event and bookmark, after `onChange`. */
  readonly onHeard: () => void;
  readonly onChange: (event: ChangeEvent) => void;
}

/** The server ends a watch after 5 to 10 minutes, at different times for different watchers. */
const MIN_WATCH_SECONDS = 300;

/** A watch that goes on beyond its time has lost the server. */
const OVERTIME_MS = 90_000;

/** Runs one watch to its end. Rejects when the signal aborts or the consumer throws. */
export async function runWatchSession(deps: WatchSessionDeps, session: WatchSession): Promise<Outcome> {
  const { clock, random, signal } = deps;
  const timeoutSeconds = Math.floor(MIN_WATCH_SECONDS * (1 + random()));
  const progress: Progress = { resourceVersion: session.resourceVersion, openedMs: undefined };
  const { stop, unlink } = linkedAbort(signal);
  const tooLong = (): void => stop.abort(new SilenceError("the watch went on beyond its time"));
  const overtime = clock.setTimeout(tooLong, timeoutSeconds * 1000 + OVERTIME_MS);
  try {
    return await readEvents(deps, session, { progress, stop, timeoutSeconds });
  } catch (caught) {
    if (signal.aborted) throw caught;
    return outcomeOf(caught, progress);
  } finally {
    overtime.cancel();
    unlink();
  }
}

interface Progress {
  resourceVersion: string;
  openedMs: number | undefined;
}

interface RunningWatch {
  readonly progress: Progress;
  readonly stop: AbortController;
  readonly timeoutSeconds: number;
}

async function readEvents(
  { api, clock }: WatchSessionDeps,
  session: WatchSession,
  { progress, stop, timeoutSeconds }: RunningWatch,
): Promise<Outcome> {
  const { kind, ...selectors } = session.selection;
  const { resourceVersion, silenceMs } = session;
  const onOpen = (): void => {
    progress.openedMs = clock.monotonicMs();
    session.onOpen();
  };
  const events = api.watch(kind, { ...selectors, resourceVersion, timeoutSeconds, onOpen, signal: stop.signal });
  for await (const event of readUntilSilent(events, { clock, limitMs: silenceMs, stop })) {
    const version = versionOf(event);
    if (isBackwards(progress.resourceVersion, version)) return lost(progress, "backwards");
    if (event.type !== "BOOKMARK") session.onChange(event);
    session.onHeard();
    progress.resourceVersion = version;
  }
  const heldMs = clock.monotonicMs() - (progress.openedMs ?? clock.monotonicMs());
  return { kind: "watch-ended", resourceVersion: progress.resourceVersion, heldMs };
}

function versionOf(event: WatchEvent): string {
  if (event.type === "BOOKMARK") return event.resourceVersion;
  const { resourceVersion, name } = event.object.metadata;
  if (resourceVersion !== undefined) return resourceVersion;
  throw new KubernetesApiError("api_invalid_response", `the ${event.object.kind} ${name} has no resourceVersion`);
}

function lost({ resourceVersion }: Progress, why: "silent" | "cut" | "backwards"): Outcome {
  return { kind: "watch-lost", resourceVersion, why };
}

function outcomeOf(caught: unknown, progress: Progress): Outcome {
  if (caught instanceof SilenceError) return lost(progress, "silent");
  if (!(caught instanceof KubernetesApiError)) throw caught;
  if (caught.code === "api_unreachable" && progress.openedMs !== undefined) return lost(progress, "cut");
  return { kind: "watch-refused", resourceVersion: progress.resourceVersion, error: caught };
}
