import { MAX_LISTED_CERTIFICATES } from "../../../mesh/identity/revocation-list.ts";
import { MeshError } from "../../../mesh/mesh-error.ts";
import type { RevokedCertificate } from "../../../mesh/policy/types.ts";
import type { Clock, Logger, Timer } from "../../../mesh/runtime.ts";
import { startWallTimer } from "../../../net/wall-timer.ts";
import { whenAborted } from "../../../net/when-aborted.ts";
import type { Authority } from "../../authority/authority.ts";
import { CaError } from "../../ca-error.ts";
import { entriesOf, findOlder, type ListsByKey, mergeLists, readStatement } from "./merge-lists.ts";
import { findAuthorities, readVerifiedLists } from "./verify-lists.ts";

export interface LiveListsDeps {
  readonly authority: Pick<Authority, "roots" | "subscribe">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with the reason while there is no usable state yet. */
  readonly onWaiting: (reason: string) => void;
  readonly signal: AbortSignal;
}

/** What was found beside the files of the authority. */
export type FoundLists =
  | {
      readonly kind: "lists";
      /** For messages: the file, or the key and its Secret. */
      readonly from: string;
      readonly pem: string;
      /** Certificates of authorities, PEM: intermediates that may have signed a list. */
      readonly certificates: string;
    }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly error: MeshError };

/**
 * An operator's certificate revocation lists. Lists that cannot be verified change nothing; as long as there were none
 * before, there is no usable state, because an unreadable list must not mean that nothing is revoked. A list that is
 * removed or has expired stays in force while the process runs, until a newer one of its issuer replaces it or the text
 * states that there are no other lists.
 */
export class LiveLists {
  readonly #deps: LiveListsDeps;
  readonly #listeners = new Set<() => void>();
  readonly #opened = Promise.withResolvers<void>();
  #inForce: ListsByKey = new Map();
  #entries: readonly RevokedCertificate[] = [];
  #isOpen = false;
  #found: FoundLists | undefined;
  #accepted: FoundLists | undefined;
  #fault: string | undefined;
  #warned = "";
  #timer: Timer | undefined;
  /** Until a list that is of the future may be used. */
  #early: Timer | undefined;

  constructor(deps: LiveListsDeps) {
    this.#deps = deps;
    // A list may be signed by an authority that comes with it.
    const unsubscribe = deps.authority.subscribe(() => {
      if (this.#found !== undefined) this.take(this.#found);
    });
    const stop = (): void => {
      unsubscribe();
      this.#timer?.cancel();
      this.#early?.cancel();
    };
    deps.signal.addEventListener("abort", stop, { once: true });
  }

  /** Resolves when the lists are known; rejects with the signal's reason if that aborts before. */
  async opened(): Promise<void> {
    const { signal } = this.#deps;
    await Promise.race([this.#opened.promise, whenAborted(signal)]);
    signal.throwIfAborted();
  }

  entries(): readonly RevokedCertificate[] {
    return this.#entries;
  }

  /** Calls the listener after each change of the entries. Returns the function that unsubscribes. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Why what was found is not in force; undefined if it is. */
  fault(): string | undefined {
    return this.#fault;
  }

  /**
   * What was found last and not refused. Two processes that have found the same may differ in their entries: one that ran before
   * a list was removed goes on with it.
   */
  accepted(): FoundLists | undefined {
    return this.#accepted;
  }

  /** When the first of the lists is due, in epoch milliseconds; undefined if none says so. */
  nextUpdateMs(): number | undefined {
    const times = [...this.#inForce.values()].flatMap(({ nextUpdateMs }) => nextUpdateMs ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Takes what was found now. */
  take(found: FoundLists): void {
    this.#found = found;
    this.#early?.cancel();
    try {
      if (found.kind === "unreadable") throw found.error;
      if (found.kind === "absent") {
        this.#adopt(new Map(), false);
        return;
      }
      const { pem, isComplete } = readStatement(found.pem);
      this.#adopt(this.#verify({ ...found, pem }), isComplete);
    } catch (caught) {
      this.#report(MeshError.from(caught));
    }
  }

  #verify({ from, pem, certificates }: Extract<FoundLists, { kind: "lists" }>): ListsByKey {
    try {
      const lists = mergeLists(readVerifiedLists(pem, findAuthorities(this.#deps.authority.roots(), certificates)));
      this.#refuseFuture(Math.max(...[...lists.values()].map(({ thisUpdateMs }) => thisUpdateMs)));
      const older = findOlder(lists, this.#inForce);
      if (older === undefined) return lists;
      throw new CaError(
        "revocation_list",
        `a list of ${formatTime(older.thisUpdateMs)} is older than the one in force`,
      );
    } catch (caught) {
      if (!(caught instanceof CaError)) throw caught;
      throw new CaError("revocation_list", `${from}: ${caught.message.slice(caught.code.length + 2)}`, {
        cause: caught,
      });
    }
  }

  /** No later list could replace one of the future, and a lost one would be noticed late. */
  #refuseFuture(thisUpdateMs: number): void {
    const { clock } = this.#deps;
    const usableFromMs = thisUpdateMs - CLOCK_TOLERANCE_MS;
    if (!(usableFromMs > clock.now())) return;
    this.#early = startWallTimer(clock, usableFromMs, () => this.#found && this.take(this.#found));
    const fix = "check the clock of its issuer, or issue it again";
    throw new CaError("revocation_list", `a list of ${formatTime(thisUpdateMs)} is of the future: ${fix}`);
  }

  /** @param isComplete whether lists in force that are not among these are withdrawn */
  #adopt(lists: ListsByKey, isComplete: boolean): void {
    const { log } = this.#deps;
    const absent = [...this.#inForce].filter(([key]) => !lists.has(key));
    const removed = isComplete ? [] : absent;
    const next = new Map([...lists, ...removed]);
    const certificates = entriesOf(next);
    if (certificates.length > MAX_LISTED_CERTIFICATES) {
      throw new CaError(
        "revocation_list",
        `with those in force, the lists name more than ${MAX_LISTED_CERTIFICATES} certificates`,
      );
    }
    if (this.#fault !== undefined) log.info(COMPONENT, "the revocation lists can be used again");
    this.#fault = undefined;
    this.#accepted = this.#found;
    const isChanged = JSON.stringify(certificates) !== JSON.stringify(this.#entries);
    this.#inForce = next;
    this.#entries = certificates;
    if (isComplete && absent.length > 0) {
      log.info({ ...COMPONENT, lists: absent.length }, "revocation lists were withdrawn by the operator");
    }
    this.#warn(removed.length);
    if (!this.#isOpen) this.#opened.resolve();
    this.#isOpen = true;
    if (!isChanged) return;
    log.info(
      { ...COMPONENT, lists: next.size, certificates: certificates.length },
      "the revocation lists are in force",
    );
    for (const listener of [...this.#listeners]) listener();
  }

  /** Of lists that stay in force although they were removed, or are overdue. Each state once. */
  #warn(removed: number): void {
    const { clock, log } = this.#deps;
    this.#timer?.cancel();
    const due = [...this.#inForce.values()].flatMap(({ nextUpdateMs }) => nextUpdateMs ?? []);
    const expired = due.filter((ms) => ms <= clock.now());
    const next = Math.min(...due.filter((ms) => ms > clock.now()));
    if (Number.isFinite(next)) this.#timer = startWallTimer(clock, next, () => this.#warn(removed));
    const warned = `${removed} ${expired.join()}`;
    if (warned === this.#warned) return;
    this.#warned = warned;
    if (removed > 0) {
      const text =
        "revocation lists were removed; they stay in force until the control plane starts again. " +
        'To withdraw them write the line "# no other lists" into ca-crl.pem';
      log.warn({ ...COMPONENT, lists: removed }, text);
    }
    for (const ms of expired) {
      const text = "a revocation list has expired; it stays in force: provide the next one in ca-crl.pem";
      log.warn({ ...COMPONENT, nextUpdate: formatTime(ms) }, text);
    }
  }

  /** Each reason once. */
  #report({ code, message }: MeshError): void {
    if (!this.#isOpen) this.#deps.onWaiting(message);
    if (message === this.#fault) return;
    this.#fault = message;
    this.#deps.log.error(
      { ...COMPONENT, code, reason: message },
      this.#isOpen
        ? "the revocation lists are refused; the last ones stay in force"
        : "the revocation lists are refused; the control plane waits for usable ones",
    );
  }
}

/** As for certificates: clocks may be wrong by an hour. */
const CLOCK_TOLERANCE_MS = 60 * 60_000;
const COMPONENT = { component: "ca-agent" };

function formatTime(ms: number): string {
  return new Date(ms).toISOString();
}
