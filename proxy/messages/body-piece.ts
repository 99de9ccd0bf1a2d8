/** A piece of a message's body. Its bytes are views of what was read and are never copied. */
export interface BodyPiece {
  /** As it came. In a body of HTTP/1.1 chunks that includes their framing, in its canonical form. */
  readonly bytes: Buffer;
  /**
   * Where content lies in `bytes`: pairs of offsets, start and end. Defined exactly in a body of HTTP/1.1 chunks;
   * `undefined`: all of it is content.
   */
  readonly ranges: readonly number[] | undefined;
}

/** A piece without content: framing alone. */
export const NO_RANGES: readonly number[] = [];

/** A piece's content without framing, as views. */
export function contentOf({ bytes, ranges }: BodyPiece): readonly Buffer[] {
  if (ranges === undefined) return bytes.length === 0 ? [] : [bytes];
  const views: Buffer[] = [];
  for (let at = 0; at < ranges.length; at += 2) views.push(bytes.subarray(ranges[at], ranges[at + 1]));
  return views;
}
