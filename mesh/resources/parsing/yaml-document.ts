import { type Document, isMap, isNode, isScalar, LineCounter } from "yaml";
import { parseKubernetesYaml } from "./kubernetes-yaml.ts";
import { type FieldPath, type PlainResult, type PlainValue, plainFromUnknown } from "./plain-value.ts";

/** One document of a file: its value or its error, and the positions of its fields. */
export interface YamlDocument {
  readonly content:
    | { readonly kind: "value"; readonly value: PlainValue }
    /** `partial` is as much of the value as could be read; it may be wrong. `text` is what it was read from. */
    | {
        readonly kind: "malformed";
        readonly faults: readonly YamlFault[];
        readonly partial: PlainValue;
        readonly text: string;
      };
  /** The position of the field at a path; if it is missing, that of its parent. */
  locate(path: FieldPath): Position;
}

export interface YamlFault {
  readonly position: Position;
  readonly message: string;
}

/** Starts at 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/**
 * The largest resource file that is accepted, for file readers and the parser: the size of a ConfigMap. A larger one is
 * a mistake or an attack, and parsing it would block the control plane for about a second.
 */
export const MAX_FILE_BYTES = 1024 * 1024;
const MAX_ALIASES = 50;
const SHOWN_FAULTS = 3;

/**
 * Parses the documents of a YAML file as kubectl does. Empty documents are ignored. Never throws: the parser's errors,
 * including exhausted limits, are returned.
 */
export function parseYamlDocuments(text: string): readonly YamlDocument[] {
  const lines = new LineCounter();
  const documents: YamlDocument[] = [];
  const parsed = parseKubernetesYaml(text, { lineCounter: lines });
  for (const [index, document] of parsed.entries()) {
    const content = readContent(document, lines, text.slice(document.range[0], parsed[index + 1]?.range[0]));
    if (content.kind === "value" && content.value === null) continue;
    documents.push({ content, locate: (path) => locate(document, lines, path) });
  }
  return documents;
}

function readContent(document: Document.Parsed, lines: LineCounter, text: string): YamlDocument["content"] {
  const faults = [...document.errors, ...document.warnings].slice(0, SHOWN_FAULTS).map((fault) => ({
    position: positionAt(lines, fault.pos[0]),
    // The library appends a drawing of the location; file and line are already in the message.
    message: (fault.message.split("\n")[0] ?? "").replace(/ at line \d+, column \d+:?$/, ""),
  }));
  const value = readValue(document);
  if (faults.length > 0) {
    return { kind: "malformed", faults, partial: value.kind === "plain" ? value.value : null, text };
  }
  if (value.kind === "plain") return { kind: "value", value: value.value };
  const fault = { position: locate(document, lines, value.path), message: value.message };
  return { kind: "malformed", faults: [fault], partial: null, text };
}

function readValue(document: Document.Parsed): PlainResult {
  try {
    return plainFromUnknown(document.toJS({ maxAliasCount: MAX_ALIASES }));
  } catch (caught) {
    // Unknown or excessive aliases, and nesting that exhausts the stack.
    return { kind: "invalid", path: [], message: caught instanceof Error ? caught.message : String(caught) };
  }
}

function locate(document: Document.Parsed, lines: LineCounter, path: FieldPath): Position {
  for (let length = path.length; length > 0; length -= 1) {
    const offset = offsetOf(document, path.slice(0, length));
    if (offset !== undefined) return positionAt(lines, offset);
  }
  return positionAt(lines, document.contents?.range?.[0] ?? document.range[0]);
}

/** The position of a field in a mapping is its key; that of a list item is the item itself. */
function offsetOf(document: Document.Parsed, path: FieldPath): number | undefined {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  const name = path.at(-1);
  if (isMap(parent)) {
    const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(name));
    return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
  }
  const node = document.getIn(path, true);
  return isNode(node) ? node.range?.[0] : undefined;
}

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}
