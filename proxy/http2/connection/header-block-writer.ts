import { DEFAULT_MAX_FRAME_BYTES } from "../frames/frame-types.ts";
import type { OutputSlab } from "../frames/output-slab.ts";
import { endHeaderBlock } from "../frames/write-frames.ts";
import { HpackEncoder, MAX_BLOCK_PREFIX_BYTES, maxEncodedBytes } from "../hpack/hpack-encoder.ts";

/** Takes the fields of one message. Names are in lower case; text is latin1, one character a byte. */
export interface FieldWriter {
  field(name: string, value: string): void;
  /** A field that no hop may put into a compression table (RFC 7541 §7.1.3). */
  secretField(name: string, value: string): void;
}

/** The regular fields of a message to send, or its trailers: written straight into the output, with edits applied. */
export interface OutputFields {
  /** Writes each field once, without pseudo-fields, `host` and fields of an HTTP/1.1 connection. */
  writeTo(writer: FieldWriter): void;
}

/** Writes the header blocks of a connection, in the order in which they are sent. */
export class HeaderBlockWriter implements FieldWriter {
  readonly #slab: OutputSlab;
  readonly #encoder = new HpackEncoder();

  constructor(slab: OutputSlab) {
    this.#slab = slab;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setMaxTableBytes(bytes: number): void {
    this.#encoder.setMaxTableBytes(bytes);
  }

  begin(): void {
    const slab = this.#slab;
    slab.beginFrame(MAX_BLOCK_PREFIX_BYTES);
    slab.at = this.#encoder.beginBlock(slab.buffer, slab.at);
  }

  field(name: string, value: string): void {
    const slab = this.#slab;
    slab.reserve(maxEncodedBytes(name, value));
    slab.at = this.#encoder.encodeField(slab.buffer, slab.at, name, value);
  }

  secretField(name: string, value: string): void {
    const slab = this.#slab;
    slab.reserve(maxEncodedBytes(name, value));
    slab.at = this.#encoder.encodeNeverIndexed(slab.buffer, slab.at, name, value);
  }

  /** Completes the block as HEADERS, with CONTINUATION if it is long. */
  end(streamId: number, endsStream: boolean): void {
    endHeaderBlock(this.#slab, { streamId, endsStream, maxFrameBytes: DEFAULT_MAX_FRAME_BYTES });
  }

  /** Writes a whole block without pseudo-fields. */
  writeTrailers(streamId: number, fields: OutputFields): void {
    this.begin();
    fields.writeTo(this);
    this.end(streamId, true);
  }
}
