import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { whenAborted } from "../../net/when-aborted.ts";
import { type ControlState, EMPTY_CONTROL_STATE, MAX_REVOCATIONS } from "./control-state.ts";
import type { ControlFollower } from "./control-store.ts";
import { findExcess } from "./distributed-identities.ts";
import { isEdited, isEmptyState, isSameState, isToBeWrittenBack, uniteStates } from "./state-revisions.ts";
import type { WriteBack } from "./write-back.ts";

export interface LiveControlDeps {
  /** The mesh's own and its aliases: what is revoked in all of them must fit into a trust bundle. */
  readonly trustDomains: readonly TrustDomain[];
  readonly clock: Pick<Clock, "now">;
  readonly log: Logger;
  /** Called with the reason while there is no valid state yet. */
  readonly onWaiting: (reason: string) => void;
  /** Stores a state that people have edited with a revision of its own: see `renumberChange`. Never rejects. */
  readonly renumber: (edited: ControlState) => Promise<void>;
  /** Stores the state in force again: see `restoreChange`. Requested while what is stored was not made of it. */
  readonly writeBack: Pick<WriteBack, "request" | "timesStored">;
}

const COMPONENT = { component: "ca-agent" };

/** What was found where the state is kept. */
export type FoundState =
  | { readonly kind: "state"; readonly state: ControlState }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly error: MeshError };

/** More than the proxies can receive is as what cannot be read: a part of it would revoke less than was asked. */
export function foundState(state: ControlState, trustDomains: readonly TrustDomain[]): FoundState {
  const error = findExcess(state, trustDomains);
  return error === undefined ? { kind: "state", state } : { kind: "unreadable", error };
}

/**
 * The change that stores a state again. Another replica may have done it, and others may have changed what is stored. Throws a
 * CaError `control_limit` if no proxy could receive both.
 */
export function restoreChange(
  inForce: ControlState,
  { clock, trustDomains }: Pick<LiveControlDeps, "clock" | "trustDomains">,
): (found: ControlState) => ControlState {
  return (found) => {
    if (!isToBeWrittenBack(found, inForce)) return found;
    const united = uniteStates(found, inForce, clock.now());
    const excess = findExcess(united, trustDomains);
    if (excess !== undefined) throw excess;
    return united;
  };
}

/** The change that gives an edited state a revision, unless others have stored another one meanwhile. */
export function renumberChange(edited: ControlState): (found: ControlState) => ControlState {
  return (found) => (isSameState(found, edited) ? { ...found } : found);
}

/** For an edited state that could not be stored again. It is in force all the same. */
export function reportUnnumbered({ log, signal }: { readonly log: Logger; readonly signal: AbortSignal }) {
  return (caught: unknown): void => {
    const { code, message } = MeshError.from(caught);
    if (!signal.aborted) log.warn({ ...COMPONENT, code, reason: message }, "an edit of entente-ca got no revision");
  };
}

/**
 * The state in force. One that cannot be read changes nothing; before the first valid one there is none, because an
 * unreadable list of revocations must not mean that nothing is revoked. A state that is deleted while it is in force, or
 * replaced by a backup, is stored again: to lift revocations is an edit, never a deletion.
 */
export class LiveControl implements ControlFollower {
  readonly #deps: LiveControlDeps;
  readonly #listeners = new Set<() => void>();
  readonly #opened = Promise.withResolvers<void>();
  #inForce: { readonly state: ControlState; readonly text: string } | undefined;
  #fault: string | undefined;
  /** What is stored and was not made of what is in force. Revision 0: it was deleted. */
  #outdated: { readonly revision: number; readonly fault: string | undefined } | undefined;

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

  /**
   * Takes what was found now. Returns false if another state must be stored in its place, so that it must be looked at again.
   * Never throws.
   */
  take(found: FoundState): boolean {
    try {
      return this.#take(found);
    } catch (caught) {
      const { code, message, stack } = MeshError.from(caught);
      this.#deps.log.error(
        { ...COMPONENT, code, reason: message, stack },
        "what is asked of the authority was not applied",
      );
      return true;
    }
  }

  /** For a state in force that could not be stored again. */
  reportUnstored(caught: unknown): void {
    if (this.#outdated === undefined) return;
    const { code, message } = MeshError.from(caught);
    const { fault } = this.#outdated;
    this.#report({ code, message: fault === undefined ? message : `${fault}; it could not be stored: ${message}` });
  }

  #take(found: FoundState): boolean {
    if (found.kind === "unreadable") {
      this.#outdated = undefined;
      this.#report(found.error);
      return true;
    }
    const stored = found.kind === "absent" ? EMPTY_CONTROL_STATE : found.state;
    const inForce = this.#inForce?.state;
    if (inForce !== undefined && isToBeWrittenBack(stored, inForce)) {
      this.#keep(stored, inForce);
      return false;
    }
    this.#outdated = undefined;
    if (this.#fault !== undefined) this.#deps.log.info(COMPONENT, "what is asked of the authority can be used again");
    this.#fault = undefined;
    this.#adopt(stored);
    if (inForce !== undefined && isEdited(stored, inForce)) void this.#deps.renumber(stored);
    return true;
  }

  #adopt(state: ControlState): void {
    const text = JSON.stringify(state);
    if (text === this.#inForce?.text) return;
    const isNews = this.#inForce !== undefined || !isEmptyState(state);
    this.#inForce = { state, text };
    const fields = { ...COMPONENT, revocations: state.revocations.length, rotation: state.rotation?.requestId };
    if (isNews) this.#deps.log.info(fields, "what is asked of the authority is in force");
    this.#opened.resolve();
    for (const listener of [...this.#listeners]) listener();
  }

  /** What is revoked in the backup alone is in force at once, too. */
  #keep(stored: ControlState, inForce: ControlState): void {
    this.#onOutdated(stored.revisions?.[0] ?? 0, inForce.revisions?.[0] ?? 0);
    const united = uniteStates(stored, inForce, this.#deps.clock.now());
    const isExcessive = findExcess(united, this.#deps.trustDomains) !== undefined;
    if (united.revocations.length <= MAX_REVOCATIONS && !isExcessive) this.#adopt(united);
    this.#deps.writeBack.request();
  }

  /** Logs each once. */
  #onOutdated(stored: number, inForce: number): void {
    if (stored === this.#outdated?.revision) return;
    const fault = stored === 0 ? undefined : describeOutdated(stored, inForce, this.#deps.writeBack.timesStored);
    this.#outdated = { revision: stored, fault };
    this.#fault = fault;
    const fields = { ...COMPONENT, ...(stored !== 0 && { stored, inForce }) };
    const what = stored === 0 ? "deleted" : "replaced by an earlier state, as from a backup";
    this.#deps.log.warn(fields, `what was asked of the authority was ${what}; it stays in force and is stored again`);
  }

  /** Each reason once. */
  #report({ code, message }: Pick<MeshError, "code" | "message">): void {
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

/** So many times in a row is no accident. */
const CONTESTED_TIMES = 3;

/** @param timesStored how many times in a row the state in force was stored, and did not last */
function describeOutdated(stored: number, inForce: number, timesStored: number): string {
  const contested =
    timesStored < CONTESTED_TIMES
      ? ""
      : `. It was stored ${timesStored} times in vain: some tool keeps applying its own copy, as GitOps does; exclude it from that`;
  return (
    `an earlier state was restored, as from a backup: revision ${stored} was not made of ${inForce}, which is in force, ` +
    `and is stored again with all that is revoked in one of them; lift again what was lifted since the backup${contested}`
  );
}
