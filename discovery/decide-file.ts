import type { ConfigProblem } from "../mesh/resources/config-problem.ts";
import { formatResourceName } from "../mesh/resources/fields/resource-names.ts";
import { parseResources } from "../mesh/resources/parsing/parse-resources.ts";
import type { Resource } from "../mesh/resources/resource.ts";

/** A file's content at one moment. */
export interface FileVersion {
  readonly text: string;
  /** Names the file's body on disk: another one means that the file was replaced, not written into. */
  readonly body: string;
  /** Changes with each write. */
  readonly writtenAt: string;
}

/** What is in force of a file. */
export interface HeldFile {
  readonly resources: readonly Resource[];
  /** The version that `resources` were read from. */
  readonly version: FileVersion;
  /** A version that looks cut short and was not taken. */
  readonly suspect: FileVersion | undefined;
}

/** What becomes of a file, and what there is to say about its content. */
export interface FileDecision {
  readonly held: HeldFile;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Decides what a file's new content puts in force, given what is in force. The default of the mesh is open (PERMISSIVE),
 * so a rule must not get lost by accident: a file that was emptied, cut short or is no YAML changes nothing, and a
 * resource with an error leaves its last good version in force. Deleting the file is how its resources go.
 */
export function decideFile(held: HeldFile | undefined, seen: FileVersion, file: string): FileDecision {
  const { resources, problems } = parseResources({ text: seen.text, file });
  const before = held?.resources ?? [];
  if (held === undefined || before.length === 0) {
    return { held: { resources, version: seen, suspect: undefined }, problems };
  }
  const doubt = findDoubt(held, seen, { resources, problems });
  if (doubt !== undefined) {
    const problem: ConfigProblem = { severity: "error", file, line: 1, message: doubt };
    return { held: { ...held, suspect: seen }, problems: [...problems, problem] };
  }
  const faulty = problems.flatMap(({ severity, resource }) => (severity === "error" && resource ? [resource] : []));
  return { held: { resources: keepFaulty(before, resources, faulty), version: seen, suspect: undefined }, problems };
}

function findDoubt(
  held: HeldFile,
  seen: FileVersion,
  parsed: { readonly resources: readonly Resource[]; readonly problems: readonly ConfigProblem[] },
): string | undefined {
  const kept = `the ${held.resources.length} resources that it held stay in force`;
  if (parsed.problems.some(({ severity, resource }) => severity === "error" && resource === undefined)) {
    return `the file is not used because of the errors above; ${kept}`;
  }
  if (parsed.resources.length === 0 && parsed.problems.length === 0) {
    return `the file holds no resource any more; ${kept}. To remove them, delete the file`;
  }
  if (isCutShort(held, seen)) {
    return `the file ends in the middle of what it was, as if it were half written; ${kept}. If this is meant, save it once more`;
  }
  return undefined;
}

/**
 * Whether the file was written into and now is the beginning of its last good version, up to somewhere inside a
 * document. YAML cut short is often valid YAML: `kind: MeshPolicy` without its `spec` would open a strict mesh. A file
 * that was replaced (renamed over) is whole, and one that was saved twice with this content is meant.
 */
function isCutShort(held: HeldFile, seen: FileVersion): boolean {
  const before = held.version;
  if (seen.body !== before.body || seen.text.length >= before.text.length) return false;
  const beginning = seen.text.trimEnd();
  if (!before.text.startsWith(beginning)) return false;
  const isConfirmed = held.suspect?.text === seen.text && held.suspect.writtenAt !== seen.writtenAt;
  return !isConfirmed && !isWholeDocuments(before.text.slice(beginning.length));
}

/** What was cut off begins with a document's start or holds nothing but comments. */
function isWholeDocuments(rest: string): boolean {
  const lines = rest.split(/\r?\n/);
  if ((lines[0] ?? "").trim() !== "") return false;
  const first = lines.find((line) => line.trim() !== "" && !line.trimStart().startsWith("#"));
  return first === undefined || /^(---|\.\.\.)(\s|$)/.test(first);
}

/** The new resources, those with an error in their last good version instead. */
function keepFaulty(
  before: readonly Resource[],
  now: readonly Resource[],
  faulty: readonly string[],
): readonly Resource[] {
  if (faulty.length === 0) return now;
  const isFaulty = (resource: Resource): boolean => namesOf(resource).some((name) => faulty.includes(name));
  const kept = before.filter(isFaulty);
  const covered = new Set(kept.map(formatResourceName));
  return [...kept, ...now.filter((resource) => !covered.has(formatResourceName(resource)))];
}

/** Problems may name a resource before its namespace has been filled in. */
function namesOf(resource: Resource): readonly string[] {
  const { name, namespace } = resource.metadata;
  const full = formatResourceName(resource);
  return namespace === "default" ? [full, `${resource.kind}/${name}`] : [full];
}
