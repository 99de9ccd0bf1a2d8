import { formatCount } from "../../mesh/format-count.ts";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import { parseResources } from "../../mesh/resources/parsing/parse-resources.ts";
import type { Resource } from "../../mesh/resources/resource.ts";

/** A file's content at one moment. */
export interface FileVersion {
  readonly text: string;
  /** Identifies the file's inode: another value means that the file was replaced, not written into. */
  readonly fileId: string;
  /** Changes with each write. */
  readonly writtenAt: string;
}

/** The resources of a file that are in force. */
export interface ActiveFile {
  readonly resources: readonly Resource[];
  /** The version that `resources` were read from. */
  readonly version: FileVersion;
  /** A version that looks truncated and was not accepted. */
  readonly suspect: FileVersion | undefined;
}

/** What happens with a file, and the problems of its content. */
export interface FileDecision {
  readonly active: ActiveFile;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Decides which resources of a file's new content come into force, given the current ones. The mesh's default is open
 * (PERMISSIVE), so a rule must not get lost by accident: a file that is empty, truncated or not YAML changes nothing,
 * and a resource with an error keeps its last valid version. Resources are removed by deleting them from the file, or
 * by deleting the file.
 */
export function decideFile(active: ActiveFile | undefined, seen: FileVersion, file: string): FileDecision {
  const { resources, standIns, problems } = parseResources({ text: seen.text, file });
  const before = active?.resources.filter(({ standsInFor }) => standsInFor === undefined) ?? [];
  if (active === undefined || before.length === 0) {
    return { active: { resources: [...resources, ...standIns], version: seen, suspect: undefined }, problems };
  }
  const rejection = findRejection(active, seen, { resources, problems });
  if (rejection !== undefined) {
    const problem: ConfigProblem = { severity: "error", finding: "UnusableFile", file, line: 1, message: rejection };
    return { active: { ...active, suspect: seen }, problems: [...problems, problem] };
  }
  const faulty = problems.flatMap(({ severity, resource }) => (severity === "error" && resource ? [resource] : []));
  const next = keepFaulty(before, { resources, standIns }, faulty);
  return { active: { resources: next, version: seen, suspect: undefined }, problems };
}

function findRejection(
  active: ActiveFile,
  seen: FileVersion,
  parsed: { readonly resources: readonly Resource[]; readonly problems: readonly ConfigProblem[] },
): string | undefined {
  const kept = `its previous ${formatCount(active.resources.length, "resource stays", "resources stay")} in force`;
  if (parsed.problems.some(({ severity, resource }) => severity === "error" && resource === undefined)) {
    return `the file is not used because of the errors above; ${kept}`;
  }
  if (parsed.resources.length === 0 && parsed.problems.length === 0) {
    return `the file no longer contains any resource; ${kept}. To remove them, delete the file`;
  }
  if (isTruncated(active, seen)) {
    return `the file ends in the middle of its previous content, as if it were half written; ${kept}. If this is intended, save it again`;
  }
  return undefined;
}

/**
 * Whether the file was written into and is now a prefix of its last valid version that ends inside a document.
 * Truncated YAML is often valid YAML: `kind: MeshPolicy` without its `spec` would weaken a STRICT mesh. A file that was
 * replaced (by rename) is complete, and saving the same content twice confirms it.
 */
function isTruncated(active: ActiveFile, seen: FileVersion): boolean {
  const before = active.version;
  if (seen.fileId !== before.fileId || seen.text.length >= before.text.length) return false;
  const beginning = seen.text.trimEnd();
  if (!before.text.startsWith(beginning)) return false;
  const isConfirmed = active.suspect?.text === seen.text && active.suspect.writtenAt !== seen.writtenAt;
  return !isConfirmed && !isWholeDocuments(before.text.slice(beginning.length));
}

/** Whether the removed part begins with a document's start, or contains only comments. */
function isWholeDocuments(rest: string): boolean {
  const lines = rest.split(/\r?\n/);
  if ((lines[0] ?? "").trim() !== "") return false;
  const first = lines.find((line) => line.trim() !== "" && !line.trimStart().startsWith("#"));
  return first === undefined || /^(---|\.\.\.)(\s|$)/.test(first);
}

/**
 * The new resources, with those that have an error replaced by their last valid version, or by a stand-in if there is
 * none.
 */
function keepFaulty(
  before: readonly Resource[],
  now: { readonly resources: readonly Resource[]; readonly standIns: readonly Resource[] },
  faulty: readonly string[],
): readonly Resource[] {
  const isFaulty = (resource: Resource): boolean => namesOf(resource).some((name) => faulty.includes(name));
  const kept = before.filter(isFaulty);
  const covered = new Set(kept.map(formatResourceName));
  return [
    ...kept,
    ...[...now.resources, ...now.standIns].filter((resource) => !covered.has(formatResourceName(resource))),
  ];
}

/** Problems may name a resource before its default namespace is filled in. */
function namesOf(resource: Resource): readonly string[] {
  const { name, namespace } = resource.metadata;
  const full = formatResourceName(resource);
  return namespace === "default" ? [full, `${resource.kind}/${name}`] : [full];
}
