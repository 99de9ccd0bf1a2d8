import type { ConfigProblem } from "../config-problem.ts";
import { formatResourceName } from "../fields/resource-names.ts";
import type { FindingName } from "../finding-codes.ts";
import type { Resource } from "../resource.ts";
import type { KindDescription } from "../resource-kinds.ts";
import { classifyKind } from "./classify-kind.ts";
import { findAbsentParts, normalizeDocument } from "./normalize-document.ts";
import { type FieldPath, fieldOf, isPlainObject, type PlainObject, type PlainValue } from "./plain-value.ts";
import { faultFromIssue } from "./schema-issue.ts";
import { describeUnsupported, findUnsupportedFields, formatFieldPath } from "./unsupported-fields.ts";
import { MAX_FILE_BYTES, parseYamlDocuments, type YamlDocument } from "./yaml-document.ts";

/** A file's valid resources, in order, and the problems of the rest. */
export interface ParsedResources {
  readonly resources: readonly Resource[];
  readonly problems: readonly ConfigProblem[];
}

/**
 * Parses all resources of a YAML text, including `List` objects. Never throws: an invalid document is reported as an
 * error with its location and the fix, and is not used; the other documents of the file are.
 */
export function parseResources(input: { readonly text: string; readonly file: string }): ParsedResources {
  const { text, file } = input;
  const resources: Resource[] = [];
  const problems: ConfigProblem[] = [];
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_FILE_BYTES) {
    const message = `the file has ${bytes} bytes; the limit is ${MAX_FILE_BYTES}: split it`;
    return { resources, problems: [{ severity: "error", finding: "UnusableFile", file, line: 1, message }] };
  }
  for (const document of parseYamlDocuments(text)) {
    if (document.content.kind === "malformed") {
      for (const { position, message } of document.content.faults) {
        const finding = "MalformedYaml";
        problems.push({ severity: "error", finding, file, ...position, message: `malformed YAML: ${message}` });
      }
      continue;
    }
    readValue(document.content.value, { file, document, resources, problems, path: [] });
  }
  return { resources, problems };
}

interface Reading {
  readonly file: string;
  readonly document: YamlDocument;
  readonly resources: Resource[];
  readonly problems: ConfigProblem[];
  /** The resource's position in its document: the root, or an item of a List. */
  readonly path: FieldPath;
}

function readValue(value: PlainValue, reading: Reading): void {
  if (!isPlainObject(value)) {
    report(reading, {
      severity: "error",
      path: [],
      message: "a resource must be a mapping with apiVersion, kind and metadata",
    });
    return;
  }
  const apiVersion = fieldOf(value, "apiVersion");
  const kind = fieldOf(value, "kind");
  for (const [field, given] of [
    ["apiVersion", apiVersion],
    ["kind", kind],
  ] as const) {
    if (typeof given === "string" && given !== "") continue;
    report(reading, { severity: "error", path: [field], message: given === undefined ? "is missing" : "must be text" });
    return;
  }
  if (kind === "List" && apiVersion === "v1") readList(value, reading);
  else readResource(value, { apiVersion: String(apiVersion), kind: String(kind) }, reading);
}

function readList(list: PlainObject, reading: Reading): void {
  const items = fieldOf(list, "items");
  if (!Array.isArray(items)) {
    report(reading, { severity: "error", path: ["items"], message: "a List must have a list of `items`" });
    return;
  }
  if (reading.path.length > 0) {
    report(reading, { severity: "error", path: ["kind"], message: "a List inside a List is not supported" });
    return;
  }
  for (const [index, item] of items.entries()) readValue(item, { ...reading, path: ["items", index] });
}

function readResource(document: PlainObject, header: { apiVersion: string; kind: string }, reading: Reading): void {
  const verdict = classifyKind(header.apiVersion, header.kind);
  const resource = nameOf(document, header.kind);
  switch (verdict.kind) {
    case "ignored":
      report(reading, {
        severity: "warning",
        finding: "UnrelatedKind",
        path: ["kind"],
        resource,
        message: verdict.message,
      });
      return;
    case "refused":
      report(reading, {
        severity: "error",
        finding: "UnsupportedKind",
        path: [verdict.field],
        resource,
        message: verdict.message,
      });
      return;
    case "known":
      readKnown(document, { ...verdict, apiVersion: header.apiVersion }, reading);
  }
}

function readKnown(
  document: PlainObject,
  known: { readonly description: KindDescription; readonly apiVersion: string },
  reading: Reading,
): void {
  const { description, apiVersion } = known;
  const normalized = normalizeDocument(document, description);
  const resource = nameOf(normalized, description.kind);
  const absent = findAbsentParts(document);
  if (absent.includes("spec") && !description.specOptional) {
    report(reading, { severity: "error", path: ["spec"], resource, message: "is missing" });
    return;
  }
  const parsed = description.parse(normalized, { apiVersion, absent });
  if (parsed.kind === "invalid") {
    for (const issue of parsed.issues) report(reading, { severity: "error", resource, ...faultFromIssue(issue) });
    return;
  }
  const unsupported = description.reportsUnsupported
    ? findUnsupportedFields(fieldOf(normalized, "spec"), "spec" in parsed.resource ? parsed.resource.spec : undefined)
    : [];
  for (const path of unsupported) {
    const message = describeUnsupported(description.kind, ["spec", ...path]);
    report(reading, {
      severity: "warning",
      finding: "UnsupportedSetting",
      path: ["spec", ...path],
      resource,
      message,
    });
  }
  reading.resources.push({
    ...parsed.resource,
    origin: { file: reading.file, line: reading.document.locate(reading.path).line },
    unsupported: unsupported.map((path) => formatFieldPath(["spec", ...path])),
  });
}

interface Report {
  readonly severity: ConfigProblem["severity"];
  /** @default SchemaValidationError */
  readonly finding?: FindingName;
  /** Relative to the resource. */
  readonly path: FieldPath;
  readonly resource?: string | undefined;
  readonly message: string;
}

function report(reading: Reading, { severity, finding, path, resource, message }: Report): void {
  reading.problems.push({
    severity,
    finding: finding ?? "SchemaValidationError",
    file: reading.file,
    ...reading.document.locate([...reading.path, ...path]),
    ...(resource === undefined ? {} : { resource }),
    ...(path.length === 0 ? {} : { field: formatFieldPath(path) }),
    message,
  });
}

/** The resource's name for a message, as far as the document contains it. */
function nameOf(document: PlainObject, kind: string): string | undefined {
  const metadata = fieldOf(document, "metadata");
  const name = fieldOf(metadata, "name");
  const namespace = fieldOf(metadata, "namespace");
  if (typeof name !== "string") return undefined;
  return formatResourceName({ kind, metadata: { name, namespace: typeof namespace === "string" ? namespace : "" } });
}
