/** For tests: relays that are ended by the test, and how a relay ended. */
import { Ending } from "./ending.ts";
import type { Relay, RelayEnd } from "./relay.ts";

/** A relay that ends when it is cut, or when the test ends it. */
export class FakeRelay implements Relay {
  readonly #ending = new Ending<RelayEnd>();

  onEnd(listener: (end: RelayEnd) => void): void {
    this.#ending.onEnd(listener);
  }

  cut(): void {
    this.end("closed_by_proxy");
  }

  end(end: RelayEnd): void {
    this.#ending.report(end);
  }

  bytes(): { readonly received: number; readonly sent: number } {
    return { received: 0, sent: 0 };
  }
}

/** Resolves at the end. */
export function endOf(relay: Pick<Relay, "onEnd">): Promise<RelayEnd> {
  return new Promise((resolve) => relay.onEnd(resolve));
}
