import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

interface Message {
  readonly kind: string;
}

/** A program of the bench in a process of its own, with messages both ways. It ends with the bench. */
export class Forked<To extends Message, From extends Message> {
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(message: From) => void>();

  constructor(program: URL, args: readonly string[] = []) {
    this.#child = fork(program, args, {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#child.on("message", (message: From) => {
      for (const listener of this.#listeners) listener(message);
    });
  }

  send(message: To): void {
    this.#child.send(message);
  }

  /** The next message of a kind. Rejects if the program ends, or when `signal` aborts. */
  async next<Kind extends From["kind"]>(kind: Kind, signal: AbortSignal): Promise<Extract<From, { kind: Kind }>> {
    let listener: ((message: From) => void) | undefined;
    const received = new Promise<Extract<From, { kind: Kind }>>((resolve) => {
      listener = (message) => {
        if (isOfKind(message, kind)) resolve(message);
      };
      this.#listeners.add(listener);
    });
    const ended = once(this.#child, "exit", { signal }).then(([code]) => {
      throw new Error(`a program of the bench ended with ${code} instead of sending "${kind}"`);
    });
    try {
      return await Promise.race([received, ended]);
    } finally {
      if (listener !== undefined) this.#listeners.delete(listener);
      ended.catch(() => undefined);
    }
  }

  /** Calls the listener with each message. */
  onMessage(listener: (message: From) => void): void {
    this.#listeners.add(listener);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}

function isOfKind<From extends Message, Kind extends From["kind"]>(
  message: From,
  kind: Kind,
): message is Extract<From, { kind: Kind }> {
  return message.kind === kind;
}
