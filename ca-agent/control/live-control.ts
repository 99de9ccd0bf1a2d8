import { MeshError } from "../../mesh/mesh-error.ts";
import type { Logger } from "../../mesh/runtime.ts";
import { whenAborted } from "../../net/when-aborted.ts";
import { type ControlState, EMPTY_CONTROL_STATE } from "./control-state.ts";
import type { ControlFollower } from "./control-store.ts";

export interface LiveControlDeps {
  readonly log: Logger;
  /** Called with the reason while there is no valid state yet. */
  readonly onWaiting: (reason: string) => void;
  /** Stores the state in force again, after it was deleted. */
  readonly restore: (state: ControlState) => Promise<void>;
}

/** What was found where the state is kept. */
export type FoundState =
  | { readonly kind: "state"; readonly state: ControlState }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly error: MeshError };

/**
 * The state in force. One that cannot be read changes nothing; before the first valid one there is none, because an
 * unreadable list of revocations must not mean that nothing is revoked. A state that is deleted while it is in force is
 * stored again: to lift revocations is an edit, never a deletion.
 */
export class LiveControl implements ControlFollower {
  readonly #deps: LiveControlDeps;
  readonly #listeners = new Set<() => void>();
  readonly #opened = Promise.withResolvers<void>();
  #inForce: { readonly state: ControlState; readonly text: string } | undefined;
  #fault: string | undefined;
  #wasAbsent = false;

  constructor(deps: LiveControlDeps) {
    this.#deps = deps;
  }

  /** Resolves when there is a valid state; rejects with the signal's reason if that aborts before. */
  async opened(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#opened.promise, whenAborted(signal)]);
    signal.throwIfAborted();
  }

  current(): ControlState {
    if (this.#inForce === undefined) throw new TypeError("there is no state yet: wait for `opened`");
    return this.#inForce.state;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  fault(): string | undefined {
    return this.#fault;
  }

  /** Takes what was found now. Resolves when it is in force, or restored; never rejects. */
  async take(found: FoundState): Promise<void> {
    try {
      await this.#take(found);
    } catch (caught) {
      const { code, message, stack } = MeshError.from(caught);
      this.#deps.log.error(
        { ...COMPONENT, code, reason: message, stack },
        "what is asked of the authority was not applied",
      );
    }
  }

  async #take(found: FoundState): Promise<void> {
    if (found.kind !== "absent") this.#wasAbsent = false;
    switch (found.kind) {
      case "state":
        this.#adopt(found.state);
        return;
      case "absent":
        await this.#onAbsent();
        return;
      case "unreadable":
        this.#report(found.error);
        return;
    }
  }

  #adopt(state: ControlState): void {
    const text = JSON.stringify(state);
    if (this.#fault !== undefined) this.#deps.log.info(COMPONENT, "what is asked of the authority can be read again");
    this.#fault = undefined;
    if (text === this.#inForce?.text) return;
    const isNews = this.#inForce !== undefined || !isEmptyState(state);
    this.#inForce = { state, text };
    const fields = { ...COMPONENT, revocations: state.revocations.length, rotation: state.rotation?.requestId };
    if (isNews) this.#deps.log.info(fields, "what is asked of the authority is in force");
    this.#opened.resolve();
    for (const listener of [...this.#listeners]) listener();
  }

  async #onAbsent(): Promise<void> {
    const state = this.#inForce?.state;
    if (state === undefined || isEmptyState(state)) {
      this.#adopt(state ?? EMPTY_CONTROL_STATE);
      return;
    }
    if (!this.#wasAbsent) {
      this.#deps.log.warn(
        COMPONENT,
        "what was asked of the authority was deleted; it stays in force and is stored again",
      );
    }
    this.#wasAbsent = true;
    try {
      await this.#deps.restore(state);
    } catch (caught) {
      this.#report(MeshError.from(caught));
    }
  }

  /** Each reason once. */
  #report({ code, message }: MeshError): void {
    const isKept = this.#inForce !== undefined;
    if (!isKept) this.#deps.onWaiting(message);
    if (message === this.#fault) return;
    this.#fault = message;
    this.#deps.log.error(
      { ...COMPONENT, code, reason: message },
      isKept
        ? "what is asked of the authority cannot be used; the last valid state stays in force"
        : "what is asked of the authority cannot be used; the control plane waits for a valid state",
    );
  }
}

const COMPONENT = { component: "ca-agent" };

/** Whether nothing is asked. */
export function isEmptyState({ revocations, rotation }: ControlState): boolean {
  return revocations.length === 0 && rotation === undefined;
}
