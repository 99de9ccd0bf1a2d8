/** For tests: a desired state in memory, that can be changed and cannot always be stored. */
import {
  type ControlState,
  EMPTY_CONTROL_STATE,
  type Revocation,
  type RevocationTarget,
} from "../control/control-state.ts";
import type { ControlFollower, ControlStore } from "../control/control-store.ts";

export function revocationOf(what: RevocationTarget, more: Partial<Revocation> = {}): Revocation {
  return { what, revokedAt: "2030-01-01T00:00:00Z", ...more };
}

export class MemoryControl implements ControlFollower, ControlStore {
  #state: ControlState = EMPTY_CONTROL_STATE;
  readonly #listeners = new Set<() => void>();
  /** What the next updates reject with. */
  failure: Error | undefined;
  updates = 0;

  current(): ControlState {
    return this.#state;
  }

  async read(): Promise<ControlState> {
    return this.#state;
  }

  fault(): string | undefined {
    return undefined;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async update(change: (state: ControlState) => ControlState): Promise<ControlState> {
    this.updates += 1;
    if (this.failure !== undefined) throw this.failure;
    this.set(change(this.#state));
    return this.#state;
  }

  revoke(...revocations: readonly Revocation[]): void {
    this.set({ ...this.#state, revocations: [...this.#state.revocations, ...revocations] });
  }

  set(state: ControlState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) listener();
  }
}
