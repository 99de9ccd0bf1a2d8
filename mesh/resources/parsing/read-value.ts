import type { ConfigProblem } from "../config-problem.ts";
import type { ResourceOrigin } from "../fields/metadata.ts";
import { formatResourceName } from "../fields/resource-names.ts";
import type { FindingName } from "../finding-codes.ts";
import type { Resource } from "../resource.ts";
import type { KindDescription } from "../resource-kinds.ts";
import { classifyKind } from "./classify-kind.ts";
import { findAbsentParts, normalizeDocument } from "./normalize-document.ts";
import { type FieldPath, fieldOf, isPlainObject, type PlainObject, type PlainValue } from "./plain-value.ts";
import { faultFromIssue } from "./schema-issue.ts";
import { createStandIns } from "./stand-in.ts";
import { describeUnsupported, findUnsupportedFields, formatFieldPath } from "./unsupported-fields.ts";
import type { Position } from "./yaml-document.ts";

/** Where results are collected, and where the value comes from. */
export interface Reading {
  /** Empty for an object of the Kubernetes API. */
  readonly file: string;
  /** The position of the field at a path of the document. */
  readonly locate: (path: FieldPath) => Position;
  readonly resources: Resource[];
  readonly standIns: Resource[];
  readonly problems: ConfigProblem[];
  /** The resource's position in its document: the root, or an item of a List. */
  readonly path: FieldPath;
}

/** Reads a resource, or the resources of a `List`. What is invalid is reported, and gets a stand-in where it needs one. */
export function readValue(value: PlainValue, reading: Reading): void {
  const { resources, problems } = reading;
  if (fieldOf(value, "kind") === "List" && fieldOf(value, "apiVersion") === "v1" && isPlainObject(value)) {
    readList(value, reading);
    return;
  }
  const before = { resources: resources.length, problems: problems.length };
  readOne(value, reading);
  const isInvalid = problems.slice(before.problems).some(({ severity }) => severity === "error");
  if (!isInvalid || resources.length > before.resources) return;
  reading.standIns.push(...createStandIns(value, originOf(reading)));
}

/** Objects of the Kubernetes API have none. */
function originOf({ file, locate, path }: Reading): ResourceOrigin | undefined {
  return file === "" ? undefined : { file, line: locate(path).line };
}

/** Reports that a value cannot be read as a whole. */
export function reportFault(value: PlainValue, message: string, reading: Reading): void {
  const kind = fieldOf(value, "kind");
  const resource = isPlainObject(value) && typeof kind === "string" ? nameOf(value, kind) : undefined;
  report(reading, { severity: "error", path: [], resource, message });
}

function readOne(value: PlainValue, reading: Reading): void {
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
  readResource(value, { apiVersion: String(apiVersion), kind: String(kind) }, reading);
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
    case "unread":
      return;
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
  const origin = originOf(reading);
  reading.resources.push({
    ...parsed.resource,
    ...(origin === undefined ? {} : { origin }),
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
    ...reading.locate([...reading.path, ...path]),
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
