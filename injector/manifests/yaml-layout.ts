/** Positions in the text of a YAML document. */
import {
  type CST,
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";

/** Replaces the characters from `start` to `end` by `text`. */
export interface TextEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export interface Editing {
  readonly text: string;
  readonly document: Document;
  readonly edits: TextEdit[];
  /** Nodes whose text no longer matches their value. */
  readonly changed: Set<Node>;
}

type Collection = YAMLMap<unknown, unknown> | YAMLSeq<unknown>;

/** Applies edits that do not overlap. Edits at the same position are applied in the given order. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const pieces: string[] = [];
  let position = 0;
  for (const edit of edits.toSorted((left, right) => left.start - right.start)) {
    pieces.push(text.slice(position, edit.start), edit.text);
    position = edit.end;
  }
  return [...pieces, text.slice(position)].join("");
}

/** Whether a collection is in block style, not in brackets. */
export function isBlock(node: unknown): boolean {
  if (!isMap(node) && !isSeq(node)) return false;
  return node.srcToken?.type === "block-map" || node.srcToken?.type === "block-seq";
}

/** Where the text of a node or pair ends: before blanks and comments, after the newline of a block scalar. */
export function contentEnd(item: unknown): number {
  if (isPair(item)) return isNode(item.value) ? contentEnd(item.value) : contentEnd(item.key);
  if ((isMap(item) || isSeq(item)) && isBlock(item) && item.items.length > 0) return contentEnd(item.items.at(-1));
  return isNode(item) ? (item.range?.[1] ?? 0) : 0;
}

/** Where an item of a block collection begins: its dash, its properties or its key. */
export function itemStart(node: Collection, index: number): number {
  const token = node.srcToken;
  if (token?.type !== "block-map" && token?.type !== "block-seq") return node.range?.[0] ?? 0;
  const isItem = ({ start }: { readonly start: readonly CST.SourceToken[] }): boolean =>
    token.type === "block-map" || start.some(({ type }) => type === "seq-item-ind");
  const item = token.items.filter(isItem)[index];
  const first = item?.start.find(({ type }) => !["space", "comment", "newline"].includes(type));
  return first?.offset ?? item?.key?.offset ?? 0;
}

export function lineStart(text: string, position: number): number {
  return text.lastIndexOf("\n", position - 1) + 1;
}

/** Where the next line begins; a position at the beginning of a line is returned as it is. */
export function lineEnd(text: string, position: number): number {
  if (text[position - 1] === "\n") return position;
  const end = text.indexOf("\n", position);
  return end === -1 ? text.length : end + 1;
}

/** Inserts whole lines before the item with that index of a block collection, or after its last item. */
export function insertLines({ text, edits }: Editing, node: Collection, index: number, block: string): void {
  const newline = lineBreakOf(text);
  if (index > 0) {
    const position = lineEnd(text, contentEnd(node.items[index - 1]));
    const pad = padOf(node);
    const isAtEnd = position > 0 && text[position - 1] !== "\n";
    const written = isAtEnd ? `${newline}${pad}${block}` : `${pad}${block}${newline}`;
    edits.push({ start: position, end: position, text: written });
    return;
  }
  const first = itemStart(node, 0);
  const start = lineStart(text, first);
  const isAlone = text.slice(start, first).trim() === "";
  const written = isAlone ? `${padOf(node)}${block}${newline}` : `${block}${newline}${padOf(node)}`;
  edits.push({ start: isAlone ? start : first, end: isAlone ? start : first, text: written });
}

function padOf(node: Collection): string {
  const token = node.srcToken;
  return " ".repeat(token !== undefined && "indent" in token ? token.indent : 0);
}

/** The line break that the file uses. */
export function lineBreakOf(text: string): "\n" | "\r\n" {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

/** Whether a pair is `<<: …`. */
export function isMergeKey({ key }: Pair<unknown, unknown>): boolean {
  return isScalar(key) && key.source === "<<" && key.type === "PLAIN";
}

export function nameOfPair({ key }: Pair<unknown, unknown>): string {
  return isScalar(key) ? String(key.value) : "";
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
