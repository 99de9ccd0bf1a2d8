import { IdentityError } from "./identity-error.ts";

/** One element of a DER encoding: its tag and the position of its content. */
export interface DerElement {
  readonly tag: number;
  /** The offset of its tag. */
  readonly offset: number;
  readonly start: number;
  readonly end: number;
}

/** Tags (X.690, section 8.1.2) that certificates use. */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  sequence: 0x30,
} as const;

/**
 * Parses strict DER (X.690, section 10) sequentially, within fixed bounds. Sans-I/O and without recursion. Any
 * deviation throws an IdentityError: indefinite, overlong or non-minimal lengths, multi-byte tags, content beyond the
 * bounds.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #offset: number;

  constructor(bytes: Uint8Array, within?: DerElement) {
    this.#bytes = bytes;
    this.#offset = within?.start ?? 0;
    this.#end = within?.end ?? bytes.length;
  }

  get atEnd(): boolean {
    return this.#offset === this.#end;
  }

  /** The next element, which must have this tag. */
  expect(tag: number, what: string): DerElement {
    const element = this.next(what);
    if (element.tag !== tag) throw derError(`${what} has tag ${hex(element.tag)}, not ${hex(tag)}`);
    return element;
  }

  /** The next element if it has this tag; otherwise undefined, without advancing. */
  optional(tag: number, what: string): DerElement | undefined {
    return !this.atEnd && this.#bytes[this.#offset] === tag ? this.next(what) : undefined;
  }

  next(what: string): DerElement {
    const offset = this.#offset;
    const tag = this.#octet(what);
    if ((tag & 0x1f) === 0x1f) throw derError(`${what} has a multi-byte tag`);
    const length = this.#length(what);
    if (length > this.#end - this.#offset) throw derError(`${what} exceeds its container`);
    const start = this.#offset;
    this.#offset += length;
    return { tag, offset, start, end: start + length };
  }

  /** A reader for the content of one element of this encoding. */
  inside(element: DerElement): DerReader {
    return new DerReader(this.#bytes, element);
  }

  content(element: DerElement): Uint8Array {
    return this.#bytes.subarray(element.start, element.end);
  }

  /** The element with its tag and length. */
  whole(element: DerElement): Uint8Array {
    return this.#bytes.subarray(element.offset, element.end);
  }

  /** Throws unless everything has been read. */
  finish(what: string): void {
    if (!this.atEnd) throw derError(`${what} is followed by ${this.#end - this.#offset} unexpected bytes`);
  }

  #octet(what: string): number {
    const octet = this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
    if (octet === undefined) throw derError(`${what} is truncated`);
    this.#offset += 1;
    return octet;
  }

  #length(what: string): number {
    const first = this.#octet(what);
    if (first < 0x80) return first;
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4) throw derError(`${what} has an indefinite or overlong length`);
    let length = 0;
    for (let index = 0; index < octets; index += 1) length = length * 256 + this.#octet(what);
    const fewest = length < 0x80 ? 0 : Math.ceil((32 - Math.clz32(length)) / 8);
    if (octets !== fewest) throw derError(`${what} has a length that is not minimal`);
    return length;
  }
}

function derError(message: string): IdentityError {
  return new IdentityError("certificate_der", message);
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, "0")}`;
}
