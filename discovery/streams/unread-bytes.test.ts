import { expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { UnreadBytes } from "./unread-bytes.ts";

const never = new AbortController().signal;

/** Takes bytes, and records the name once there is room. */
function takeNamed(unread: UnreadBytes, { key = "a", bytes, name }: NamedTake, signal = never, taken: string[] = []) {
  const release = unread.take(key, bytes, signal).then((sent) => {
    taken.push(name);
    return sent;
  });
  return { release: async () => (await release)(), taken };
}

interface NamedTake {
  readonly key?: string;
  readonly bytes: number;
  readonly name: string;
}

it("makes messages above the limit wait in order, without delaying other callers", async () => {
  const unread = new UnreadBytes(100);
  const taken: string[] = [];
  const first = takeNamed(unread, { bytes: 60, name: "first" }, never, taken);
  const second = takeNamed(unread, { bytes: 60, name: "second" }, never, taken);
  const third = takeNamed(unread, { bytes: 10, name: "third" }, never, taken);
  const other = takeNamed(unread, { key: "b", bytes: 60, name: "other" }, never, taken);
  await settlePromises();
  expect(taken).toEqual(["first", "other"]);
  await first.release();
  await settlePromises();
  expect(taken).toEqual(["first", "other", "second", "third"]);
  for (const one of [second, third, other]) await one.release();
  expect(unread.size).toBe(0);
});

it("sends a message larger than the limit on its own", async () => {
  const unread = new UnreadBytes(100);
  const large = takeNamed(unread, { bytes: 1000, name: "large" });
  const small = takeNamed(unread, { bytes: 1, name: "small" }, never, large.taken);
  await settlePromises();
  expect(large.taken).toEqual(["large"]);
  await large.release();
  await small.release();
  expect(unread.size).toBe(0);
});

it("drops a caller that leaves while waiting, and continues with the next", async () => {
  const unread = new UnreadBytes(100);
  const leaving = new AbortController();
  const first = takeNamed(unread, { bytes: 100, name: "first" });
  const aborted = takeNamed(unread, { bytes: 100, name: "aborted" }, leaving.signal);
  const last = takeNamed(unread, { bytes: 100, name: "last" });
  leaving.abort();
  await aborted.release();
  await first.release();
  await last.release();
  expect(unread.size).toBe(0);
});
