import { type ConfigProblem, formatConfigProblem } from "../../mesh/resources/config-problem.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import { FINDING_CODES } from "../../mesh/resources/finding-codes.ts";
import { RESOURCE_KINDS } from "../../mesh/resources/resource-kinds.ts";
import type { ResourceChange, SetChange } from "../../mesh/resources/resource-set.ts";
import type { Clock, Logger, LogLimiter } from "../../mesh/runtime.ts";
import { formatSourceStatus, type SourceStatus } from "../config-source.ts";

/** The problems of each object; a new problem is logged. */
export class ProblemLedger {
  readonly #log: Logger;
  readonly #limitLog: LogLimiter;
  readonly #problems = new Map<string, readonly ConfigProblem[]>();

  constructor(log: Logger, limitLog: LogLimiter) {
    this.#log = log;
    this.#limitLog = limitLog;
  }

  set(object: string, problems: readonly ConfigProblem[]): void {
    const known = new Set(this.#problems.get(object)?.map(formatConfigProblem));
    if (problems.length === 0) this.#problems.delete(object);
    else this.#problems.set(object, problems);
    for (const problem of problems) {
      const line = formatConfigProblem(problem);
      if (!known.has(line)) this.#report(problem, line);
    }
  }

  all(): readonly ConfigProblem[] {
    return [...this.#problems.values()].flat();
  }

  #report({ severity, resource, field, finding }: ConfigProblem, line: string): void {
    const { isGranted, heldBack } = this.#limitLog("problem");
    if (!isGranted) return;
    const fields = { resource, field, code: FINDING_CODES[finding], heldBack };
    this.#log[severity === "error" ? "error" : "warn"](fields, line);
  }
}

/** Between lines about a source that waits for the API server. */
const WAITING_LINE_MS = 30_000;

/** Logs a source's status: once when it changes, and now and then while the source waits for its first state. */
export class StatusLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  #last: SourceStatus["kind"] = "starting";
  #waitingLineMs = Number.NEGATIVE_INFINITY;

  constructor(log: Logger, clock: Clock) {
    this.#log = log.child({ component: "discovery" });
    this.#clock = clock;
  }

  note(status: SourceStatus): void {
    const before = this.#last;
    this.#last = status.kind;
    if (status.kind === "starting") this.#noteWaiting(status);
    else if (status.kind === before) return;
    else if (status.kind === "stale") this.#log.warn({}, formatSourceStatus(status));
    else if (before === "starting") this.#log.info({}, "the configuration was read from the Kubernetes API");
    else this.#log.info({}, "the Kubernetes API is back; the configuration is current");
  }

  #noteWaiting(status: Extract<SourceStatus, { kind: "starting" }>): void {
    const nowMs = this.#clock.monotonicMs();
    if (!status.isFailing || nowMs - this.#waitingLineMs < WAITING_LINE_MS) return;
    this.#waitingLineMs = nowMs;
    this.#log.warn({}, `${formatSourceStatus(status)}; trying again`);
  }
}

/** A reflector's own lines repeat for each kind what the source says once; errors name what an operator must do. */
export function errorsOnly(log: Logger): Logger {
  const debug = log.debug.bind(log);
  return {
    debug,
    info: debug,
    warn: debug,
    error: log.error.bind(log),
    child: (fields) => errorsOnly(log.child(fields)),
  };
}

const MAX_NAMES = 20;
const MESH_KIND_NAMES: ReadonlySet<string> = new Set(
  RESOURCE_KINDS.filter(({ group }) => group.endsWith(".istio.io")).map(({ kind }) => kind),
);

/**
 * The rules that were added, changed and removed, for the log: removing a policy opens what it protected, so the log shows
 * when. Pods and endpoints change all the time.
 */
export function describeMeshChange({ resources }: SetChange): Readonly<Record<string, readonly string[]>> | undefined {
  const rules = resources.filter(({ kind }) => MESH_KIND_NAMES.has(kind));
  if (rules.length === 0) return undefined;
  return {
    added: nameAll(rules.filter(({ before }) => before === undefined)),
    changed: nameAll(rules.filter(({ before, after }) => before !== undefined && after !== undefined)),
    removed: nameAll(rules.filter(({ after }) => after === undefined)),
  };
}

function nameAll(changes: readonly ResourceChange[]): readonly string[] {
  const names = changes.flatMap(({ before, after }) => {
    const resource = after ?? before;
    return resource === undefined ? [] : [formatResourceName(resource)];
  });
  if (names.length <= MAX_NAMES) return names;
  return [...names.slice(0, MAX_NAMES), `and ${names.length - MAX_NAMES} more`];
}
