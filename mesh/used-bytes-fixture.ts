/** For tests: memory that is really in use. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** Buffers are freed by a collection after the one that has found them. */
const COLLECTIONS = 2;

/** What is in use of heap and buffers, in bytes. */
export function usedBytes(): number {
  for (let count = 0; count < COLLECTIONS; count += 1) collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** How many more bytes are in use while all that `create` has returned is held. */
export function bytesOf<Held>(count: number, create: (index: number) => Held): number {
  const before = usedBytes();
  const held = Array.from({ length: count }, (_, index) => create(index));
  const grown = usedBytes() - before;
  if (held.length !== count) throw new Error("they are held until here");
  return grown;
}
