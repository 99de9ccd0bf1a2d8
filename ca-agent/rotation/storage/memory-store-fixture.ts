/** For tests: an authority that is stored in this process. */
import type { RotationState } from "../rotation-state.ts";
import type { AuthorityStore, StoredAuthority, StoredRoot } from "./authority-store.ts";

/** A store in memory that can fail at each write. */
export class MemoryStore implements AuthorityStore {
  /** What was stored, one after the other. */
  readonly history: RotationState[] = [];
  /** Runs before and after each write; what it throws is the write's error. */
  onSwap: (moment: "before" | "after") => void = () => undefined;
  /** What a write waits for before it reaches the store. */
  delaySwap: () => Promise<void> | undefined = () => undefined;
  other: StoredAuthority | undefined;

  constructor(state: RotationState) {
    this.history.push(state);
  }

  get state(): RotationState {
    const state = this.history.at(-1);
    if (state === undefined) throw new TypeError("nothing is stored");
    return state;
  }

  async read(): Promise<StoredAuthority> {
    return this.other ?? { kind: "root", state: this.state, version: `${this.history.length}` };
  }

  async swap(expected: StoredRoot, next: RotationState): Promise<"stored" | "conflict"> {
    this.onSwap("before");
    const delay = this.delaySwap();
    if (delay !== undefined) await delay;
    if (expected.version !== `${this.history.length}`) return "conflict";
    this.history.push(next);
    this.onSwap("after");
    return "stored";
  }
}
