/** Thrown while a block is read, and returned by the decoder as a tagged value; never leaves this folder. */
export class HpackFault extends Error {}
