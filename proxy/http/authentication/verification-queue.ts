export interface VerificationLimits {
  /** At a time, in this process. More would only occupy the threads that others need, too. */
  readonly maxActive: number;
  /** That wait, of one client connection: a stream each. */
  readonly maxWaitingOfClient: number;
  /** That wait, of all. */
  readonly maxWaiting: number;
}

export const VERIFICATION_LIMITS: VerificationLimits = { maxActive: 4, maxWaitingOfClient: 128, maxWaiting: 1024 };

/** Work that has not begun. */
interface Waiting {
  readonly begin: () => void;
  readonly refuse: () => void;
}

/**
 * Bounds the verifications at a time, because clients choose how many there are. Clients take turns: one with many
 * requests delays others by one verification. When all places are taken, the client with most of them loses its newest,
 * so that the connections of an attacker do not keep others out.
 */
export class VerificationQueue {
  readonly #limits: VerificationLimits;
  /** By client connection; the next one comes first. */
  readonly #waiting = new Map<object, Waiting[]>();
  #active = 0;
  #waits = 0;

  constructor(limits: VerificationLimits = VERIFICATION_LIMITS) {
    this.#limits = limits;
  }

  /** Those that run now. */
  get active(): number {
    return this.#active;
  }

  get waiting(): number {
    return this.#waits;
  }

  /** Runs `verify` in its turn. Resolves with `undefined` if there is no place for it. */
  run<Result>(client: object, verify: () => Promise<Result>): Promise<Result | undefined> {
    if (this.#active < this.#limits.maxActive) return this.#begin(verify);
    return new Promise((resolve, reject) => {
      const begin = (): void => void this.#begin(verify).then(resolve, reject);
      this.#add(client, { begin, refuse: () => resolve(undefined) });
    });
  }

  async #begin<Result>(verify: () => Promise<Result>): Promise<Result> {
    this.#active += 1;
    try {
      return await verify();
    } finally {
      this.#active -= 1;
      this.#next();
    }
  }

  #add(client: object, waiting: Waiting): void {
    const own = this.#waiting.get(client) ?? [];
    if (own.length >= this.#limits.maxWaitingOfClient) {
      waiting.refuse();
      return;
    }
    own.push(waiting);
    this.#waiting.set(client, own);
    this.#waits += 1;
    if (this.#waits > this.#limits.maxWaiting) this.#displace();
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const [client, own] = first;
    const waiting = own.shift();
    this.#waiting.delete(client);
    if (own.length > 0) this.#waiting.set(client, own);
    this.#waits -= 1;
    waiting?.begin();
  }

  #displace(): void {
    const [client, own] = [...this.#waiting].reduce((most, each) => (each[1].length >= most[1].length ? each : most));
    const displaced = own.pop();
    if (own.length === 0) this.#waiting.delete(client);
    this.#waits -= 1;
    displaced?.refuse();
  }
}
