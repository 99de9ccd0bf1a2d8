/** For tests: closes what a test has opened. */
import type { Socket } from "node:net";

interface Action {
  readonly run: () => unknown;
}

/** Closes what a test has opened, in reverse order. */
export class Cleanup {
  readonly #actions = new Set<Action>();

  add(run: () => unknown): void {
    this.#actions.add({ run });
  }

  /** Destroys a socket, unless it has closed before: a test with many connections does not keep them all. */
  addSocket(socket: Socket): void {
    const action = { run: () => socket.destroy() };
    this.#actions.add(action);
    socket.once("close", () => this.#actions.delete(action));
  }

  async run(): Promise<void> {
    const actions = [...this.#actions].reverse();
    this.#actions.clear();
    for (const { run } of actions) await run();
  }
}
