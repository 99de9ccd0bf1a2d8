import type { ConfigSource } from "../../discovery/config-source.ts";
import type { AnalysisSettings } from "../../mesh/analysis/analysis-settings.ts";
import { analyzeResourceSet } from "../../mesh/analysis/analyze-resource-set.ts";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import { FINDING_CODES } from "../../mesh/resources/finding-codes.ts";
import type { Resource, ResourceKind } from "../../mesh/resources/resource.ts";
import {
  EMPTY_SET,
  MAP_NAMES,
  type ResourceSet,
  type ResourceUpdate,
  resourceKey,
  type UpdatableSet,
  updateResourceSet,
} from "../../mesh/resources/resource-set.ts";
import type { Clock } from "../../mesh/runtime.ts";

export interface ResourceAnalysisDeps {
  readonly source: Pick<ConfigSource, "current" | "subscribe">;
  readonly settings: AnalysisSettings;
  readonly clock: Clock;
}

/** An analysis of 5,000 services and 20,000 pods takes 50 ms. Any pod of the cluster can request one. */
const MAX_PER_SECOND = 5;

/**
 * What would be suspicious if a resource came into force: what concerns itself, and how much it newly causes in its
 * namespace. Any pod can ask, with a forged review, so a warning names only what the resource itself names: never another
 * resource. Over a rate nothing is found, because warnings are worth less than admissions in time.
 */
export function createResourceAnalysis({ source, settings, clock }: ResourceAnalysisDeps) {
  let set = updatesSince(EMPTY_SET, listUpdates(source.current()));
  let before: ReadonlySet<string> | undefined;
  const isGranted = createRate(clock);
  source.subscribe((_, { resources }) => {
    const updates = resources.map(({ kind, key, after }) => ({ kind, key, resource: after }));
    set = updatesSince(set, updates);
    before = undefined;
  });
  return (resource: Resource): readonly string[] => {
    if (!isGranted()) return [];
    before ??= new Set(analyzeResourceSet(set, settings).map(describe));
    const known = before;
    const own = formatResourceName(resource);
    const after = updatesSince(set, [{ kind: resource.kind, key: resourceKey(resource), resource }]);
    const problems = analyzeResourceSet(after, settings);
    const caused = problems.filter((one) => isBeside(one, resource) && !known.has(describe(one)));
    return [
      ...problems.filter((problem) => problem.resource === own).map(describeAlone),
      ...(caused.length === 0 ? [] : [describeCaused(caused)]),
    ];
  };
}

function updatesSince(set: UpdatableSet, updates: Iterable<ResourceUpdate>): UpdatableSet {
  return updateResourceSet(set, updates).set;
}

function* listUpdates(set: ResourceSet): Iterable<ResourceUpdate> {
  for (const kind of Object.keys(MAP_NAMES).filter(isResourceKind)) {
    for (const [key, resource] of set[MAP_NAMES[kind]]) yield { kind, key, resource };
  }
}

function isResourceKind(name: string): name is ResourceKind {
  return Object.hasOwn(MAP_NAMES, name);
}

/** With the code by which its documentation is found. */
function describe({ finding, resource, field, message }: ConfigProblem): string {
  const parts = [resource, field, message].filter((part) => part !== undefined && part !== "");
  return `${FINDING_CODES[finding]} ${parts.join(": ")}`;
}

/** Another resource's problem in the same namespace. No namespace has a dot in its name. */
function isBeside({ resource }: ConfigProblem, reviewed: Resource): boolean {
  const { namespace } = reviewed.metadata;
  const isOfNamespace = namespace !== "" && resource?.endsWith(`.${namespace}`) === true;
  return isOfNamespace && resource !== formatResourceName(reviewed);
}

/** Without the name of another resource: its kind is enough to find it with the rights to read it. */
function describeAlone(problem: ConfigProblem): string {
  const { other, message } = problem;
  if (other === undefined) return describe(problem);
  const [kind] = other.split("/");
  return describe({ ...problem, message: message.replaceAll(other, `another ${kind}`) });
}

function describeCaused(caused: readonly ConfigProblem[]): string {
  const codes = [...new Set(caused.map(({ finding }) => FINDING_CODES[finding]))].join(", ");
  const resources = new Set(caused.map(({ resource }) => resource)).size;
  const whom = resources === 1 ? "another resource" : `${resources} other resources`;
  return `${codes} at ${whom} of the namespace: entente analyze says more`;
}

function createRate(clock: Clock): () => boolean {
  let second = { startMs: Number.NEGATIVE_INFINITY, count: 0 };
  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs - second.startMs >= 1000) second = { startMs: nowMs, count: 0 };
    second.count += 1;
    return second.count <= MAX_PER_SECOND;
  };
}
