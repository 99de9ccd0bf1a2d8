/** For tests: DER with faults that a parser must refuse or survive, built from a valid encoding. */
import fc from "fast-check";
import { DerReader } from "./der-reader.ts";
import { formatDer } from "./der-writer.ts";

/** One fault, at the element with this number (modulo the number of elements). */
export interface DerMutation {
  readonly at: number;
  readonly other: number;
  readonly fault:
    | { readonly kind: "duplicate" | "drop" | "graft" | "empty" | "indefinite" | "padded_length" | "trailing" }
    | { readonly kind: "tag"; readonly tag: number }
    | { readonly kind: "bit"; readonly offset: number; readonly bit: number }
    | { readonly kind: "length"; readonly octets: Uint8Array }
    | { readonly kind: "nested"; readonly depth: number }
    | { readonly kind: "huge"; readonly bytes: number; readonly octet: number };
}

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly members: readonly Element[] | undefined;
}

const CONSTRUCTED = 0x20;
const LENGTH_BOMBS = ["84ffffffff", "83ffffff", "8400000001", "88ffffffffffffffff", "ff", "80"];

export const derMutation: fc.Arbitrary<DerMutation> = fc.record({
  at: fc.nat(200),
  other: fc.nat(200),
  fault: fc.oneof(
    fc.constantFrom(
      ...(["duplicate", "drop", "graft", "empty", "indefinite", "padded_length", "trailing"] as const).map((kind) => ({
        kind,
      })),
    ),
    fc.record({ kind: fc.constant("tag" as const), tag: fc.nat(255) }),
    fc.record({ kind: fc.constant("bit" as const), offset: fc.nat(300), bit: fc.nat(7) }),
    fc.record({
      kind: fc.constant("length" as const),
      octets: fc.constantFrom(...LENGTH_BOMBS).map((hex) => Uint8Array.from(Buffer.from(hex, "hex"))),
    }),
    fc.record({ kind: fc.constant("nested" as const), depth: fc.integer({ min: 1, max: 300 }) }),
    fc.record({ kind: fc.constant("huge" as const), bytes: fc.integer({ min: 1, max: 9000 }), octet: fc.nat(255) }),
  ),
});

/** The encoding with the fault. The lengths of the elements around it are right, so that a parser reaches it. */
export function mutateDer(der: Uint8Array, mutation: DerMutation): Buffer {
  const root = parseElement(der);
  const elements = flatten(root);
  const target = elements[mutation.at % elements.length];
  const other = elements[mutation.other % elements.length] ?? root;
  const write = (element: Element): Buffer => {
    if (element === target) return writeFault(element, other, mutation.fault);
    if (element.members === undefined) return formatDer(element.tag, element.content);
    return formatDer(element.tag, ...element.members.map(write));
  };
  return write(root);
}

function writeFault(element: Element, other: Element, fault: DerMutation["fault"]): Buffer {
  const { tag, content } = element;
  const whole = formatDer(tag, content);
  switch (fault.kind) {
    case "duplicate":
      return Buffer.concat([whole, whole]);
    case "drop":
      return Buffer.alloc(0);
    case "graft":
      return formatDer(other.tag, other.content);
    case "empty":
      return formatDer(tag);
    case "indefinite":
      return Buffer.concat([Buffer.from([tag, 0x80]), content, Buffer.from([0, 0])]);
    case "padded_length":
      return Buffer.concat([Buffer.from([tag, 0x83, 0, content.length >> 8, content.length & 0xff]), content]);
    case "trailing":
      return formatDer(tag, content, Buffer.from([5, 0]));
    case "tag":
      return formatDer(fault.tag, content);
    case "bit": {
      const at = fault.offset % whole.length;
      whole[at] = (whole[at] ?? 0) ^ (1 << fault.bit);
      return whole;
    }
    case "length":
      return Buffer.concat([Buffer.from([tag]), fault.octets, content]);
    case "nested":
      return nest(content, fault.depth);
    case "huge":
      return formatDer(tag, Buffer.alloc(fault.bytes, fault.octet));
  }
}

/** Sequences in each other, the content in the innermost. */
export function nest(content: Uint8Array, depth: number): Buffer {
  let nested: Buffer = formatDer(0x30, content);
  for (let level = 1; level < depth; level += 1) nested = formatDer(0x30, nested);
  return nested;
}

function parseElement(der: Uint8Array): Element {
  const reader = new DerReader(der);
  const { tag, start, end } = reader.next("an element");
  const content = der.subarray(start, end);
  return { tag, content, members: (tag & CONSTRUCTED) === 0 ? undefined : parseMembers(content) };
}

function parseMembers(content: Uint8Array): readonly Element[] {
  const members: Element[] = [];
  const reader = new DerReader(content);
  while (!reader.atEnd) members.push(parseElement(reader.whole(reader.next("a member"))));
  return members;
}

function flatten(element: Element): readonly Element[] {
  return [element, ...(element.members ?? []).flatMap(flatten)];
}
