import type { ConfigProblem } from "../config-problem.ts";
import type { Resource } from "../resource.ts";
import {
  fieldOf,
  isPlainObject,
  type PlainResult,
  type PlainValue,
  pickFields,
  plainFromUnknown,
} from "./plain-value.ts";
import { type Reading, readValue, reportFault } from "./read-value.ts";
import { createStandIns, createStandInsForKinds, createStandInsForText, listPolicyKinds } from "./stand-in.ts";
import { MAX_FILE_BYTES, parseYamlDocuments, type YamlDocument } from "./yaml-document.ts";

/** Valid resources, in order, and the problems of the rest. */
export interface ParsedResources {
  readonly resources: readonly Resource[];
  /** For invalid policies: they apply where there is no valid version from before. */
  readonly standIns: readonly Resource[];
  readonly problems: readonly ConfigProblem[];
}

/**
 * Parses all resources of a YAML text, including `List` objects. Never throws: an invalid document is reported as an
 * error with its location and the fix, and is not used; the other documents of the file are.
 */
export function parseResources(input: { readonly text: string; readonly file: string }): ParsedResources {
  const { text, file } = input;
  const parsed = { resources: [], standIns: [], problems: [] } satisfies ParsedResources;
  const reading: Omit<Reading, "locate"> = { ...parsed, file, path: [] };
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_FILE_BYTES) {
    const message = `the file has ${bytes} bytes; the limit is ${MAX_FILE_BYTES}: split it`;
    reading.problems.push({ severity: "error", finding: "UnusableFile", file, line: 1, message });
    reading.standIns.push(...createStandInsForText("unreadable", { file, line: 1 }));
    return parsed;
  }
  for (const { content, locate } of parseYamlDocuments(text)) {
    if (content.kind === "value") readValue(content.value, { ...reading, locate });
    else readMalformed(content, { ...reading, locate }, text);
  }
  return parsed;
}

function readMalformed(
  { faults, partial, text: own }: Extract<YamlDocument["content"], { kind: "malformed" }>,
  reading: Reading,
  text: string,
): void {
  const { file } = reading;
  for (const { position, message } of faults) {
    const finding = "MalformedYaml";
    reading.problems.push({ severity: "error", finding, file, ...position, message: `malformed YAML: ${message}` });
  }
  const origin = { file, line: reading.locate([]).line };
  // What could be read of it may be less than it says: the stand-in covers the namespace, not what is selected, and is
  // enforced, whatever its annotations say.
  const metadata = pickFields(fieldOf(partial, "metadata"), ["name", "namespace", "creationTimestamp", "uid"]);
  const isNamed = isPlainObject(fieldOf(partial, "metadata"));
  const readable = { ...pickFields(partial, ["apiVersion", "kind"]), ...(isNamed ? { metadata } : {}) };
  const standIns = createStandIns(readable, origin);
  for (const standIn of standIns) {
    reading.standIns.push({ ...standIn, standsInFor: standIn.standsInFor === "mesh" ? "mesh" : "namespace" });
  }
  // Without the line between two documents only one of them could be read.
  const others = standIns.length === 0 ? listPolicyKinds(text) : listOtherKinds(own, fieldOf(partial, "kind"));
  reading.standIns.push(...createStandInsForKinds(others, origin));
}

/** Apart from one that is known already. */
function listOtherKinds(text: string, known: PlainValue | undefined): readonly string[] {
  const kinds = listPolicyKinds(text);
  const place = kinds.indexOf(typeof known === "string" ? known : "");
  return kinds.filter((_, index) => index !== place);
}

/** Parses one object of the Kubernetes API, with the same results and words as its YAML. Never throws. */
export function parseObject(object: Readonly<Record<string, unknown>>): ParsedResources {
  const parsed = { resources: [], standIns: [], problems: [] } satisfies ParsedResources;
  const reading: Reading = { ...parsed, file: "", path: [], locate: () => ({ line: 0, column: 0 }) };
  const whole = plainFromUnknown(object);
  if (whole.kind === "plain") readValue(whole.value, reading);
  else readUnusable(object, whole.message, reading);
  return { ...parsed, resources: reading.resources.map(withoutAbsence) };
}

/** The API's objects are complete, never changes of an earlier version. */
function withoutAbsence({ absent: _, ...resource }: Resource): Resource {
  return resource;
}

/** An object with too many values, or an unusable one: what can be read of its identity says what must be STRICT. */
function readUnusable(object: Readonly<Record<string, unknown>>, message: string, reading: Reading): void {
  const known = ["apiVersion", "kind", "metadata"].map((field): readonly [string, PlainResult] => [
    field,
    plainFromUnknown(object[field]),
  ]);
  const value = Object.fromEntries(
    known.flatMap(([field, result]) => (result.kind === "plain" ? [[field, result.value]] : [])),
  );
  reportFault(value, message, reading);
  reading.standIns.push(...createStandIns(value, undefined));
}
