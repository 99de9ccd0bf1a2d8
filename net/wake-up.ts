import type { Clock, Timer } from "../mesh/runtime.ts";

/** A pause that can be cut short, for a loop that looks now and then, and at once when it knows of something. */
export class WakeUp {
  #isDue = false;
  #end: () => void = () => undefined;

  /** Ends the pause; if there is none at the moment, the next one does not last. */
  wake(): void {
    this.#isDue = true;
    this.#end();
  }

  /** Resolves after the time, when woken, or when the signal aborts. One at a time. */
  async wait(clock: Clock, waitMs: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      let timer: Timer | undefined;
      const end = (): void => {
        timer?.cancel();
        signal.removeEventListener("abort", end);
        this.#end = () => undefined;
        resolve();
      };
      this.#end = end;
      if (this.#isDue || signal.aborted) {
        end();
        return;
      }
      timer = clock.setTimeout(end, waitMs);
      signal.addEventListener("abort", end, { once: true });
    });
    this.#isDue = false;
  }
}
