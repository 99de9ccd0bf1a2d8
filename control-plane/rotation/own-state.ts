import type { LiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import { isToBeWrittenBack } from "../../ca-agent/rotation/decide-write-back.ts";
import { fingerprintOf, type RotationState, trustedRoots } from "../../ca-agent/rotation/rotation-state.ts";
import type { AuthorityStore, StoredAuthority } from "../../ca-agent/rotation/storage/authority-store.ts";
import { pause } from "../../kubernetes/bounded-call.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";

export interface OwnStateDeps {
  readonly authority: Pick<LiveAuthority, "revision" | "roots" | "signingRoot">;
  readonly store: AuthorityStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Of several control planes the first one stores the state, and the others see it. */
const SPREAD_MS = 2000;

/**
 * The stored state that this process has in force, in memory with its keys: what is needed if etcd or the directory is restored
 * from before a rotation. Then it is stored again, by compare-and-swap; a state of a later version never is, because a part of
 * it is not known here.
 */
export class OwnState {
  readonly #deps: OwnStateDeps;
  #inForce: RotationState | undefined;

  constructor(deps: OwnStateDeps) {
    this.#deps = deps;
  }

  /** The authority may have adopted a later state that was not read yet, such as one that only counts the time. */
  #isStillInForce(state: RotationState): boolean {
    const { authority } = this.#deps;
    const [trusted, present] = [trustedRoots(state), authority.roots()].map((roots) =>
      roots.map(fingerprintOf).toSorted(),
    );
    const isSigning = fingerprintOf(state.current.certificatePem) === fingerprintOf(authority.signingRoot());
    return isSigning && trusted?.join() === present?.join() && state.revision <= authority.revision();
  }

  /** To be called with what is stored, each time it was read. */
  async compare(stored: StoredAuthority): Promise<void> {
    const { authority, store, clock, random, log, signal } = this.#deps;
    if (stored.kind !== "root") return;
    const { state } = stored;
    const isInForce = fingerprintOf(state.current.certificatePem) === fingerprintOf(authority.signingRoot());
    if (isInForce && state.revision === authority.revision()) {
      this.#inForce = stored.laterVersion === undefined ? state : undefined;
      return;
    }
    const inForce = this.#inForce;
    if (inForce === undefined || !this.#isStillInForce(inForce) || !isToBeWrittenBack(state, inForce)) return;
    await pause(clock, random() * SPREAD_MS, signal);
    if ((await store.swap(stored, inForce)) !== "stored") return;
    log.warn(
      { component: "control-plane", from: state.revision, to: inForce.revision },
      "the stored authority was that of an earlier backup, without a root of valid certificates: the one in force is stored again",
    );
  }
}
