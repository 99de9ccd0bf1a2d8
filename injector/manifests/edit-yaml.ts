import { isDeepStrictEqual } from "node:util";
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { alignLists } from "../admission/build-patch.ts";
import {
  contentEnd,
  type Editing,
  insertLines,
  isBlock,
  isMergeKey,
  isRecord,
  itemStart,
  lineBreakOf,
  lineEnd,
  lineStart,
  nameOfPair,
  type TextEdit,
} from "./yaml-layout.ts";
import { formatBlock, formatFlow } from "./yaml-text.ts";

/**
 * The edits that give one document of a text another value. Nothing else changes: not spelling, comments or order. An
 * alias of a changed value is replaced by the old value.
 * @param document parsed with its source tokens
 */
export function editsForDocument(text: string, document: Document, after: unknown): readonly TextEdit[] {
  const editing: Editing = { text, document, edits: [], changed: new Set() };
  if (!isNode(document.contents)) return [];
  editNode(editing, document.contents, after);
  writeOutAliases(editing);
  return editing.edits;
}

/** Rewrites a document as a whole. This works for every document, but loses comments and spelling. */
export function rewriteDocument(text: string, document: Document, after: unknown): readonly TextEdit[] {
  const start = document.contents?.range?.[0] ?? 0;
  const end = contentEnd(document.contents);
  const ending = text[end - 1] === "\n" ? lineBreakOf(text) : "";
  return [
    { start, end, text: `${isBlock(document.contents) ? formatBlock(after, 0, text) : formatFlow(after)}${ending}` },
  ];
}

function editNode(editing: Editing, node: Node, after: unknown): void {
  if (isDeepStrictEqual(node.toJS(editing.document), after)) return;
  if (isMap(node) && isRecord(after) && canEditMap(editing, node, after)) editMap(editing, node, after);
  else if (isSeq(node) && Array.isArray(after) && canEditList(editing, node, after)) editList(editing, node, after);
  else replaceNode(editing, node, after);
  editing.changed.add(node);
}

type MapNode = YAMLMap<unknown, unknown>;

/** A key from a merge (`<<`) cannot be removed, and a collection loses its last item only as a whole. */
function canEditMap(editing: Editing, node: MapNode, after: Readonly<Record<string, unknown>>): boolean {
  if (node.items.some(({ value }) => !isNode(value))) return false;
  const removed = Object.keys(recordOf(node.toJS(editing.document))).filter((key) => !Object.hasOwn(after, key));
  if (removed.length === 0) return true;
  if (!isBlock(node) || node.items.some(isMergeKey)) return false;
  const kept = node.items.filter((pair) => !removed.includes(nameOfPair(pair)));
  return kept.length > 0 && node.items.every((pair, i) => kept.includes(pair) || startsLine(editing, node, i));
}

function editMap(editing: Editing, node: MapNode, after: Readonly<Record<string, unknown>>): void {
  const before = recordOf(node.toJS(editing.document));
  const written = new Set<string>();
  for (const [i, pair] of node.items.entries()) {
    if (isMergeKey(pair) || !isNode(pair.value)) continue;
    const name = nameOfPair(pair);
    written.add(name);
    if (Object.hasOwn(after, name)) editNode(editing, pair.value, after[name]);
    else removeLines(editing, node, i);
  }
  const added = Object.entries(after).filter(
    ([key, value]) => !written.has(key) && !(Object.hasOwn(before, key) && isDeepStrictEqual(before[key], value)),
  );
  if (added.length === 0) return;
  const addition = Object.fromEntries(added);
  if (isBlock(node)) insertLines(editing, node, node.items.length, formatBlock(addition, indentOf(node), editing.text));
  else insertFlow(editing, node, node.items.length, formatFlow(addition).slice(1, -1));
}

type ListNode = YAMLSeq<unknown>;

function canEditList(editing: Editing, node: ListNode, after: readonly unknown[]): boolean {
  if (!node.items.every(isNode)) return false;
  const { head, tail } = alignLists(valuesOf(editing, node), after);
  const removed = node.items.length - head - tail;
  if (removed === 0) return true;
  if (!isBlock(node) || head + tail === 0) return false;
  return node.items.every((_, i) => i < head || i >= node.items.length - tail || startsLine(editing, node, i));
}

/** Items are matched by name from both ends; those between are removed and inserted. */
function editList(editing: Editing, node: ListNode, after: readonly unknown[]): void {
  const before = valuesOf(editing, node);
  const { head, tail } = alignLists(before, after);
  const offset = after.length - before.length;
  for (const [i, item] of node.items.entries()) {
    if (!isNode(item) || (i >= head && i < before.length - tail)) continue;
    editNode(editing, item, i < head ? after[i] : after[i + offset]);
  }
  const added = after.slice(head, after.length - tail);
  if (added.length > 0) {
    if (isBlock(node)) insertLines(editing, node, head, formatBlock(added, indentOf(node), editing.text));
    else insertFlow(editing, node, head, added.map(formatFlow).join(", "));
  }
  for (let i = head; i < before.length - tail; i += 1) removeLines(editing, node, i);
}

function insertFlow(editing: Editing, node: MapNode | ListNode, index: number, written: string): void {
  const previous = index === 0 ? undefined : contentEnd(node.items[index - 1]);
  const position = previous ?? (node.range?.[0] ?? 0) + 1;
  const rest = node.items.length === 0 ? "" : ", ";
  const text = previous === undefined ? `${written}${rest}` : `, ${written}`;
  editing.edits.push({ start: position, end: position, text });
}

function removeLines(editing: Editing, node: MapNode | ListNode, index: number): void {
  markChanged(editing, node.items[index]);
  const start = lineStart(editing.text, itemStart(node, index));
  editing.edits.push({ start, end: lineEnd(editing.text, contentEnd(node.items[index])), text: "" });
}

/** Whether only blanks precede an item in its line, so that its lines can be removed. */
function startsLine(editing: Editing, node: MapNode | ListNode, index: number): boolean {
  const start = itemStart(node, index);
  return /^[ \t]*$/.test(editing.text.slice(lineStart(editing.text, start), start));
}

function replaceNode(editing: Editing, node: Node, after: unknown): void {
  markChanged(editing, node);
  const start = node.range?.[0] ?? 0;
  const end = contentEnd(node);
  const isAlike = isSeq(node)
    ? Array.isArray(after) && after.length > 0
    : isRecord(after) && Object.keys(after).length > 0;
  const text =
    isBlock(node) && isAlike ? formatBlock(after, indentOf(node), editing.text) : rebuildFlow(editing, node, after);
  // Brackets on their own line must be indented deeper than their parent. A missing value is at its colon.
  const needsBlank = (isBlock(node) && !isAlike) || (start === end && /\S/.test(editing.text[start - 1] ?? " "));
  const ending = end > start && editing.text[end - 1] === "\n" ? "\n" : "";
  const gap = start === end && editing.text[end] === "#" ? " " : "";
  editing.edits.push({ start, end, text: `${needsBlank ? " " : ""}${text}${ending}${gap}` });
}

/** Rebuilds a mapping in braces; the pairs that stay keep their spelling. */
function rebuildFlow({ text, document }: Editing, node: Node, after: unknown): string {
  if (!isMap(node) || isBlock(node) || !isRecord(after)) return formatFlow(after);
  const parts = Object.entries(after).map(([key, value]) => {
    const pair = node.items.find((one) => nameOfPair(one) === key && !isMergeKey(one));
    const isKept = isNode(pair?.value) && !hasAlias(pair.value) && isDeepStrictEqual(pair.value.toJS(document), value);
    if (!isKept || !isScalar(pair?.key) || pair.key.anchor !== undefined || pair.key.tag !== undefined) {
      return formatFlow({ [key]: value }).slice(1, -1);
    }
    return text.slice(pair.key.range?.[0], contentEnd(pair));
  });
  return `{${parts.join(", ")}}`;
}

function hasAlias(node: Node): boolean {
  let isFound = isAlias(node);
  if (isMap(node) || isSeq(node)) {
    visit(node, {
      Alias: () => {
        isFound = true;
        return visit.BREAK;
      },
    });
  }
  return isFound;
}

/** Rewritten nodes no longer have anchors. */
function markChanged(editing: Editing, root: unknown): void {
  if (isNode(root)) editing.changed.add(root);
  const mark = (node: Node): void => void editing.changed.add(node);
  if (isMap(root) || isSeq(root)) visit(root, { Node: (_key, node) => mark(node) });
  else if (typeof root === "object" && root !== null && "value" in root) markChanged(editing, root.value);
}

/** Replaces an alias by the old value of its anchor. */
function writeOutAliases(editing: Editing): void {
  visit(editing.document, {
    Alias: (_key, alias) => {
      const source = alias.resolve(editing.document);
      if (source === undefined || editing.changed.has(alias) || !editing.changed.has(source)) return;
      const [start, end] = alias.range ?? [0, 0];
      editing.edits.push({ start, end, text: formatFlow(alias.toJS(editing.document)) });
    },
  });
}

function valuesOf(editing: Editing, node: ListNode): readonly unknown[] {
  return node.items.map((item) => (isNode(item) ? item.toJS(editing.document) : undefined));
}

function indentOf(node: MapNode | ListNode | Node): number {
  const token = isScalar(node) || isAlias(node) ? undefined : node.srcToken;
  return token !== undefined && "indent" in token ? Number(token.indent) : 0;
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}
