import { setImmediate as nextTurn } from "node:timers/promises";
import { ClientTurns } from "../../net/client-turns.ts";

/** Takes the reviews of all clients in turn. */
export interface ReviewQueue {
  /**
   * Runs a review when its client has its turn.
   * @param isWanted asked at that moment: a client may have gone meanwhile
   * @returns undefined if it is not wanted any more
   */
  run<Result>(client: string, review: () => Result, isWanted: () => boolean): Promise<Result | undefined>;
}

/**
 * A review of the largest object takes most of a second, and any pod of the cluster can send one after the other. So the
 * clients' addresses take turns, one review at a time: one client delays another by one review at most.
 */
export function createReviewQueue(): ReviewQueue {
  const waiting = new ClientTurns<() => void>();
  let isRunning = false;
  const runAll = async (): Promise<void> => {
    isRunning = true;
    for (let turn = waiting.next(); turn !== undefined; turn = waiting.next()) {
      turn();
      // Requests that have arrived meanwhile take part in the turns.
      await nextTurn();
    }
    isRunning = false;
  };
  return {
    run: (client, review, isWanted) =>
      new Promise((resolve, reject) => {
        const turn = (): void => {
          try {
            resolve(isWanted() ? review() : undefined);
          } catch (caught) {
            reject(caught);
          }
        };
        waiting.push(client, turn);
        if (!isRunning) void runAll();
      }),
  };
}
