/** For tests: what a client floods a server with, and what must be left of it. */
import { expect } from "vitest";
import { ERROR_CODE, FLAG, FRAME } from "../frames/frame-types.ts";
import { GET, outputFields, POST, type RawClient } from "./raw-peer-fixture.ts";

const CALM = { kind: "failed", code: ERROR_CODE.enhanceYourCalm };

/** The same request again and again: after the first, its block is a few bytes. */
export function open(client: RawClient, index: number, fields = POST, flags = 0): Buffer {
  return client.headers(2 * index + 1, fields, flags);
}

/** Whether another stream of the connection is served. */
export function isServed(client: RawClient, streamId: number): boolean {
  const events = client.send(client.headers(streamId, GET, FLAG.endStream));
  const [head] = events.filter(({ kind }) => kind === "head");
  if (head?.kind !== "head") return false;
  client.connection.respond(head.stream, 200, outputFields(), true);
  return client.takeFrames().some((frame) => frame.streamId === streamId && frame.type === FRAME.headers);
}

/** Repeats an attack until the connection fails. @returns how often, or `Infinity`. */
export function countUntilFailed(
  client: RawClient,
  frames: (index: number) => readonly Buffer[],
  most: number,
): number {
  for (let count = 1; count <= most; count += 1) {
    client.send(...frames(count));
    if (client.connection.isOver) return count;
    client.takeFrames();
  }
  return Number.POSITIVE_INFINITY;
}

export function expectNothingLeft({ connection, events }: RawClient): void {
  expect(events.at(-1)).toMatchObject(CALM);
  connection.takeOutput();
  for (const event of events) if (event.kind === "reset") connection.release(event.stream);
  expect([connection.activeStreams, connection.bufferedBytes, connection.hasOutput]).toEqual([0, 0, false]);
}
