import type { ControlState } from "./control-state.ts";

/** Where the desired state is kept, for those who change it. */
export interface ControlStore {
  /**
   * What is stored now; the empty state if nothing ever was. Rejects with a CaError `control_state` if it cannot be read,
   * or with the KubernetesApiError of the call.
   */
  read(): Promise<ControlState>;
  /**
   * Changes it by compare-and-swap: of two writers at once neither loses anything. `change` is called again when another
   * writer was faster, so it must be a pure function of what it receives; the same object back means no change. Expired
   * entries may be left out of what it receives. Resolves with what is stored; rejects as `read`, with `control_limit` if
   * it is too much, with `control_version` if a later version has stored what is there, or with `control_conflict` if others
   * were faster each time.
   */
  update(change: (state: ControlState) => ControlState): Promise<ControlState>;
}

/** The desired state in force in a running control plane. */
export interface ControlFollower {
  /** The last valid one. */
  current(): ControlState;
  /** Calls the listener after each change. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void;
  /** Why what is stored now is not in force; undefined if it is. */
  fault(): string | undefined;
}

/** Attempts of an update, when others change the state at the same time. */
export const UPDATE_ATTEMPTS = 50;
