import type { SourceReading } from "../../mesh/policy/authentication/trust-readings.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { type Moment, momentOf, sinceMoment } from "../../net/moment.ts";
import type { Reflector } from "./reflector.ts";

export interface ConfirmationOptions {
  /** Of what is in force. */
  readonly digest: () => string;
  /** Whether what was found last is in force. */
  readonly isInForce: () => boolean;
  /** Where it comes from. */
  readonly reflector: Pick<Reflector<unknown>, "confirmedAt">;
  /** When the state that is in force first was read. @default now */
  readonly since?: Moment;
  readonly clock: Clock;
}

/**
 * Until when what is in force here is known to be what the API server has. While a change is being processed, or is refused,
 * that stays the time before the change.
 */
export class Confirmation {
  readonly #options: ConfirmationOptions;
  #digest: string | undefined;
  #at: Moment;
  #pending = 0;
  /** Until when the state before the change that arrived last is confirmed. */
  #before: Moment | undefined;

  constructor(options: ConfirmationOptions) {
    this.#options = options;
    this.#at = options.since ?? momentOf(options.clock);
  }

  /** To be called when a change has arrived, before the reflector is confirmed by it. */
  begin(): void {
    this.#look();
    this.#pending += 1;
    this.#before = this.#options.reflector.confirmedAt();
  }

  /** It was processed: what it contains is in force, or refused. */
  end(): void {
    this.#look();
    this.#pending -= 1;
  }

  /** What is in force now. */
  read(): SourceReading {
    const digest = this.#look();
    return { digest, ageMs: sinceMoment(this.#at, momentOf(this.#options.clock)) };
  }

  #look(): string {
    const { digest: digestOf, isInForce, reflector } = this.#options;
    const digest = digestOf();
    // What is new may be in force before its processing has ended, and of several changes it may be the first.
    if (digest !== this.#digest || (this.#pending === 0 && isInForce())) {
      this.#at = (this.#pending > 1 ? this.#before : reflector.confirmedAt()) ?? this.#at;
    }
    this.#digest = digest;
    return digest;
  }
}
