import { setImmediate as nextTurn } from "node:timers/promises";

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
  /** In the order of their turns. */
  const waiting = new Map<string, (() => void)[]>();
  let isRunning = false;
  const runAll = async (): Promise<void> => {
    isRunning = true;
    for (let turn = nextOf(waiting); turn !== undefined; turn = nextOf(waiting)) {
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
        const own = waiting.get(client);
        if (own === undefined) waiting.set(client, [turn]);
        else own.push(turn);
        if (!isRunning) void runAll();
      }),
  };
}

/** The first client's oldest review; the client goes to the end. */
function nextOf(waiting: Map<string, (() => void)[]>): (() => void) | undefined {
  const [first] = waiting;
  if (first === undefined) return undefined;
  const [client, turns] = first;
  const turn = turns.shift();
  waiting.delete(client);
  if (turns.length > 0) waiting.set(client, turns);
  return turn;
}
