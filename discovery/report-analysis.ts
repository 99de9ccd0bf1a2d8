import { analyzeResourceSet } from "../mesh/analysis/analyze-resource-set.ts";
import type { MeshSettings } from "../mesh/mesh-settings.ts";
import { formatConfigProblem } from "../mesh/resources/config-problem.ts";
import { FINDING_CODES } from "../mesh/resources/finding-codes.ts";
import type { ResourceSet } from "../mesh/resources/resource-set.ts";
import type { Logger } from "../mesh/runtime.ts";
import type { ConfigSource } from "./config-source.ts";

/**
 * Logs suspicious combinations of resources (a rule for an unknown host, rules overridden by others), each once for as
 * long as it lasts. Returns the function that stops it.
 */
export function startAnalysisReport(options: {
  readonly source: ConfigSource;
  readonly settings: MeshSettings;
  readonly log: Logger;
}): () => void {
  const { source, settings, log } = options;
  let known: ReadonlySet<string> = new Set();
  const report = (set: ResourceSet): void => {
    const problems = analyzeResourceSet(set, settings).map((problem) => ({
      problem,
      line: formatConfigProblem(problem),
    }));
    for (const { problem, line } of problems) {
      const { resource, field, finding } = problem;
      if (!known.has(line)) log.warn({ resource, field, code: FINDING_CODES[finding] }, line);
    }
    known = new Set(problems.map(({ line }) => line));
  };
  report(source.current());
  return source.subscribe(report);
}
