import type { DecodedBlock } from "./decoded-block.ts";

/** A longer block has something of its own, and is not remembered, in bytes. */
const MAX_BLOCK_BYTES = 48;

/** Of a call of gRPC each side sends two kinds of blocks. */
const MAX_BLOCKS = 4;

/**
 * The last short blocks of a connection with their fields: most responses, and the requests of a client that repeats
 * itself, are the same few indices again. They hold only as long as the dynamic table does not change.
 */
export class KnownBlocks {
  readonly #blocks: { readonly block: Buffer; readonly fields: DecodedBlock }[] = [];
  #next = 0;

  find(block: Buffer): DecodedBlock | undefined {
    if (block.length > MAX_BLOCK_BYTES) return undefined;
    for (const known of this.#blocks) {
      if (known.block.length === block.length && known.block.equals(block)) return known.fields;
    }
    return undefined;
  }

  /** Remembers a block that has changed no table, in place of the oldest one. */
  add(block: Buffer, fields: DecodedBlock): void {
    if (block.length > MAX_BLOCK_BYTES) return;
    this.#blocks[this.#next] = { block: Buffer.from(block), fields };
    this.#next = (this.#next + 1) % MAX_BLOCKS;
  }

  /** The table has changed. */
  clear(): void {
    this.#blocks.length = 0;
    this.#next = 0;
  }
}
