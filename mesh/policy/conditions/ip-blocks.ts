/** The bits of an address, in words of 32: one of IPv4, four of IPv6. */
export type IpBits = readonly number[];

interface IpBlock {
  readonly bits: IpBits;
  readonly prefixLength: number;
}

/**
 * A prefix tree in one array, so that a walk stays in few lines of the cache: for each node the nodes of the bits 0 and 1.
 * The root is node 0.
 */
type Tree = number[];

const NO_NODE = 0;
/** In place of a node: everything below is in a block. */
const IN_BLOCK = -1;

const IPV4 = /^(?:(?:0|[1-9]\d?|1\d\d|2[0-4]\d|25[0-5])(?:\.(?!$)|$)){4}$/;
/** The zone of a link-local address (RFC 4007 §11). */
const ZONE = /%[\da-zA-Z.:-]+$/;
const MAPPED_PREFIX_LENGTH = 96;

/**
 * An address of IPv4 or IPv6; undefined: neither. The zone of a link-local address is left out, and an IPv4 address in
 * the form of IPv6 (`::ffff:10.0.0.7`) is the IPv4 address.
 */
export function parseIp(text: string): IpBits | undefined {
  if (IPV4.test(text)) return [wordFromIpv4(text)];
  const bits = parseIpv6(text.replace(ZONE, ""));
  return bits === undefined || !isMapped(bits) ? bits : bits.slice(3);
}

/**
 * Whether an address is in one of some blocks or addresses, in a prefix tree a family: the time does not depend on how
 * many there are. undefined: one of them is not valid.
 */
export function compileIpBlocks(values: readonly string[]): ((address: IpBits) => boolean) | undefined {
  const blocks = values.map(parseIpBlock);
  const valid = blocks.filter((block) => block !== undefined);
  if (valid.length < blocks.length) return undefined;
  const ipv4 = createTree(valid.filter(({ bits }) => bits.length === 1));
  const ipv6 = createTree(valid.filter(({ bits }) => bits.length > 1));
  return (address) => isInTree(address.length === 1 ? ipv4 : ipv6, address);
}

function createTree(blocks: readonly IpBlock[]): Int32Array {
  if (blocks.some(({ prefixLength }) => prefixLength === 0)) return EVERYTHING;
  const tree: Tree = [NO_NODE, NO_NODE];
  for (const block of blocks) insertBlock(tree, block);
  return Int32Array.from(tree);
}

const EVERYTHING = Int32Array.of(IN_BLOCK, IN_BLOCK);

function insertBlock(tree: Tree, { bits, prefixLength }: IpBlock): void {
  let node = 0;
  for (let index = 0; index < prefixLength; index += 1) {
    const slot = 2 * node + bitAt(bits, index);
    const next = tree[slot] ?? NO_NODE;
    if (next === IN_BLOCK) return;
    if (index === prefixLength - 1) {
      tree[slot] = IN_BLOCK;
    } else if (next === NO_NODE) {
      node = tree.push(NO_NODE, NO_NODE) / 2 - 1;
      tree[slot] = node;
    } else {
      node = next;
    }
  }
}

function isInTree(tree: Int32Array, bits: IpBits): boolean {
  let node = 0;
  for (let index = 0; index < bits.length * 32; index += 1) {
    node = tree[2 * node + bitAt(bits, index)] ?? NO_NODE;
    if (node === IN_BLOCK) return true;
    if (node === NO_NODE) return false;
  }
  return false;
}

function bitAt(bits: IpBits, index: number): number {
  return ((bits[index >>> 5] ?? 0) >>> (31 - (index & 31))) & 1;
}

/** `ADDRESS/LENGTH`, or an address, which is a block of one. A block of mapped addresses is one of IPv4. */
function parseIpBlock(text: string): IpBlock | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const bits = IPV4.test(address) ? [wordFromIpv4(address)] : parseIpv6(address);
  if (bits === undefined || rest.length > 0) return undefined;
  const limit = bits.length * 32;
  const prefixLength = length === undefined ? limit : parseLength(length, limit);
  if (prefixLength === undefined) return undefined;
  return isMapped(bits) && prefixLength >= MAPPED_PREFIX_LENGTH
    ? { bits: bits.slice(3), prefixLength: prefixLength - MAPPED_PREFIX_LENGTH }
    : { bits, prefixLength };
}

function parseLength(text: string, limit: number): number | undefined {
  return /^(?:0|[1-9]\d{0,2})$/.test(text) && Number(text) <= limit ? Number(text) : undefined;
}

function isMapped(bits: IpBits): boolean {
  return bits.length === 4 && bits[0] === 0 && bits[1] === 0 && bits[2] === 0xffff;
}

function wordFromIpv4(text: string): number {
  return text.split(".").reduce((word, part) => ((word << 8) | Number(part)) >>> 0, 0);
}

function parseIpv6(text: string): IpBits | undefined {
  const tail = text.slice(text.lastIndexOf(":") + 1);
  const hexadecimal = IPV4.test(tail) ? text.slice(0, -tail.length) + groupsFromIpv4(tail) : text;
  const [left = "", right, ...rest] = hexadecimal.split("::");
  if (rest.length > 0) return undefined;
  const before = splitGroups(left);
  const after = splitGroups(right ?? "");
  const missing = 8 - before.length - after.length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...before, ...new Array<string>(missing).fill("0"), ...after];
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return undefined;
  const numbers = groups.map((group) => Number.parseInt(group, 16));
  return [0, 2, 4, 6].map((at) => (((numbers[at] ?? 0) << 16) | (numbers[at + 1] ?? 0)) >>> 0);
}

function splitGroups(text: string): readonly string[] {
  return text === "" ? [] : text.split(":");
}

function groupsFromIpv4(text: string): string {
  const word = wordFromIpv4(text);
  return `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
}
