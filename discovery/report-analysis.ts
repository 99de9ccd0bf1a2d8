import { ANALYSES } from "../mesh/analysis/analyze-resource-set.ts";
import type { ConfigProblem } from "../mesh/resources/config-problem.ts";
import { formatConfigProblem } from "../mesh/resources/config-problem.ts";
import { FINDING_CODES } from "../mesh/resources/finding-codes.ts";
import type { ResourceKind } from "../mesh/resources/resource.ts";
import type { ResourceSet, SetChange } from "../mesh/resources/resource-set.ts";
import type { Clock, Logger, Timer } from "../mesh/runtime.ts";
import type { ConfigSource } from "./config-source.ts";
import type { SettingsSource } from "./discovery-service.ts";

export interface AnalysisReportOptions {
  readonly source: ConfigSource;
  readonly settings: Pick<SettingsSource, "current">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** From a change to the analysis: changes often come together. */
const DELAY_MS = 500;
/** The analysis reads everything: it may use one percent of the time, in parts. */
const PAUSE_FACTOR = 100;
const MAX_LINES = 100;

/** In a large mesh these change all the time, and rarely make a rule suspicious. */
const WORKLOADS: ReadonlySet<ResourceKind> = new Set(["Pod", "EndpointSlice", "Endpoints"]);
const LARGE_MESH_PODS = 1000;

/**
 * Logs suspicious combinations of resources (a rule for an unknown host, rules overridden by others), each once for as
 * long as it lasts. Returns the function that stops it.
 */
export function startAnalysisReport(options: AnalysisReportOptions): () => void {
  const report = new AnalysisReport(options);
  const unsubscribe = options.source.subscribe((set, change) => {
    if (isRelevant(set, change)) report.request();
  });
  report.request();
  return () => {
    unsubscribe();
    report.stop();
  };
}

class AnalysisReport {
  readonly #options: AnalysisReportOptions;
  #timer: Timer | undefined;
  /** The lines of the last round, and of the one that runs. */
  #known: ReadonlySet<string> = new Set();
  #found = new Set<string>();
  #isRequested = false;

  constructor(options: AnalysisReportOptions) {
    this.#options = options;
  }

  /** A round that runs is followed by another one. */
  request(): void {
    this.#isRequested = true;
    if (this.#timer === undefined) this.#begin(DELAY_MS);
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #begin(delayMs: number): void {
    this.#found = new Set();
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#isRequested = false;
      this.#run([...ANALYSES]);
    }, delayMs);
  }

  /** One part in each turn. */
  #run([next, ...rest]: typeof ANALYSES): void {
    const { source, settings, clock, log } = this.#options;
    const startedMs = clock.monotonicMs();
    const problems = (next?.(source.current(), settings.current()) ?? []).map(describe);
    logNews(
      problems.filter(({ line }) => !this.#known.has(line) && !this.#found.has(line)),
      log,
    );
    for (const { line } of problems) this.#found.add(line);
    const pauseMs = PAUSE_FACTOR * (clock.monotonicMs() - startedMs);
    if (rest.length > 0) this.#timer = clock.setTimeout(() => this.#run(rest), pauseMs);
    else this.#end(pauseMs);
  }

  #end(pauseMs: number): void {
    this.#known = this.#found;
    this.#timer = undefined;
    if (this.#isRequested) this.#begin(Math.max(DELAY_MS, pauseMs));
  }
}

function isRelevant(set: ResourceSet, { resources }: SetChange): boolean {
  return set.pods.size < LARGE_MESH_PODS || resources.some(({ kind }) => !WORKLOADS.has(kind));
}

interface Described {
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function describe(problem: ConfigProblem): Described {
  const { resource, field, finding } = problem;
  return { line: formatConfigProblem(problem), fields: { resource, field, code: FINDING_CODES[finding] } };
}

function logNews(news: readonly Described[], log: Logger): void {
  for (const { line, fields } of news.slice(0, MAX_LINES)) log.warn(fields, line);
  const rest = news.length - MAX_LINES;
  if (rest > 0) log.warn({ rest }, `and ${rest} more: see entente analyze`);
}
