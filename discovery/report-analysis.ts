import { analyzeResourceSet } from "../mesh/analysis/analyze-resource-set.ts";
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
/** The analysis reads everything: it may use one percent of the time. */
const PAUSE_FACTOR = 100;
const MAX_LINES = 100;

/** In a large mesh these change all the time, and rarely make a rule suspicious. */
const WORKLOADS: ReadonlySet<ResourceKind> = new Set(["Pod", "EndpointSlice", "Endpoints", "Node", "ServiceAccount"]);
const LARGE_MESH_PODS = 1000;

/**
 * Logs suspicious combinations of resources (a rule for an unknown host, rules overridden by others), each once for as
 * long as it lasts. Returns the function that stops it.
 */
export function startAnalysisReport({ source, settings, clock, log }: AnalysisReportOptions): () => void {
  let known: ReadonlySet<string> = new Set();
  let timer: Timer | undefined;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  const report = (): void => {
    timer = undefined;
    const startedMs = clock.monotonicMs();
    known = logNews(analyzeResourceSet(source.current(), settings.current()).map(describe), known, log);
    const endedMs = clock.monotonicMs();
    notBeforeMs = endedMs + PAUSE_FACTOR * (endedMs - startedMs);
  };
  const schedule = (): void => {
    timer ??= clock.setTimeout(report, Math.max(DELAY_MS, notBeforeMs - clock.monotonicMs()));
  };
  schedule();
  const unsubscribe = source.subscribe((set, change) => {
    if (isRelevant(set, change)) schedule();
  });
  return () => {
    unsubscribe();
    timer?.cancel();
  };
}

function isRelevant(set: ResourceSet, { resources }: SetChange): boolean {
  return set.pods.size < LARGE_MESH_PODS || resources.some(({ kind }) => !WORKLOADS.has(kind));
}

interface Described {
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function describe(problem: ReturnType<typeof analyzeResourceSet>[number]): Described {
  const { resource, field, finding } = problem;
  return { line: formatConfigProblem(problem), fields: { resource, field, code: FINDING_CODES[finding] } };
}

/** @returns the lines that are known from now on */
function logNews(problems: readonly Described[], known: ReadonlySet<string>, log: Logger): ReadonlySet<string> {
  const news = problems.filter(({ line }) => !known.has(line));
  for (const { line, fields } of news.slice(0, MAX_LINES)) log.warn(fields, line);
  const rest = news.length - MAX_LINES;
  if (rest > 0) log.warn({ rest }, `and ${rest} more: see entente analyze`);
  return new Set(problems.map(({ line }) => line));
}
