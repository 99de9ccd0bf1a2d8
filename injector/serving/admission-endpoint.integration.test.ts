import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { respondToReview } from "./admission-endpoint.ts";
import { createBodyBudget } from "./body-budget.ts";
import type { ReviewQueue } from "./review-queue.ts";

let server: Server | undefined;
afterEach(() => server?.close().closeAllConnections());

const KB = 1024;

it("bodies that wait for their review count too: the oldest is cut off, and its review does not run", async () => {
  const turns: (() => void)[] = [];
  const wanted: (() => boolean)[] = [];
  const queue: ReviewQueue = {
    run: (_client, review, isWanted) =>
      new Promise((resolve) => {
        turns.push(() => resolve(isWanted() ? review() : undefined));
        wanted.push(isWanted);
      }),
  };
  const reviewed: number[] = [];
  const deps = {
    ...{ clock: systemClock, log: new RecordingLogger(), limitLog: () => ({ isGranted: true, heldBack: 0 }), queue },
    bodies: { maxBytes: 64 * KB, budget: createBodyBudget(128 * KB) },
    review: (text: string) => {
      reviewed.push(text.length);
      return { kind: "malformed" as const, message: "as a test" };
    },
  };
  server = createServer((request, response) => void respondToReview(request, response, deps));
  await new Promise<void>((resolve) => server?.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const post = (bytes: number): Promise<number | string> =>
    fetch(`http://127.0.0.1:${port}/`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "x".repeat(bytes),
    }).then(
      ({ status }) => status,
      () => "cut off",
    );
  const first = post(50 * KB);
  while (turns.length < 1) await new Promise(setImmediate);
  const second = post(50 * KB + 1);
  while (turns.length < 2) await new Promise(setImmediate);
  const third = post(50 * KB + 2);
  expect(await first).toBe("cut off");
  while (turns.length < 3) await new Promise(setImmediate);
  expect(wanted.map((isWanted) => isWanted())).toEqual([false, true, true]);
  for (const turn of turns) turn();
  expect(await Promise.all([second, third])).toEqual([400, 400]);
  expect(reviewed).toEqual([50 * KB + 1, 50 * KB + 2]);
});
