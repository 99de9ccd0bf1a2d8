import type { ApiKind } from "../../kubernetes/kubernetes-api.ts";
import { linkedAbort } from "../../kubernetes/linked-abort.ts";
import type { ObjectChange } from "../../kubernetes/reflector/object-store.ts";
import { type ReflectorDeps, startReflector } from "../../kubernetes/reflector/reflector.ts";
import type { ReflectorStatus } from "../../kubernetes/reflector/reflector-status.ts";
import { type FollowedObject, readObject } from "./followed-object.ts";

export interface KindFollowerOptions extends ReflectorDeps {
  readonly onChanges: (changes: readonly ObjectChange<FollowedObject>[]) => void;
  readonly onStatus: (status: ReflectorStatus) => void;
  readonly signal: AbortSignal;
}

/** A kind that the server denies for so long has been withdrawn, and its objects with it. */
const WITHDRAWN_AFTER_MS = 30_000;

interface Following {
  readonly kind: ApiKind;
  stop(): void;
}

/**
 * Follows the objects of one kind in the version that is served now. Objects stay in force from one version to the next,
 * and while the kind is away for less than half a minute.
 */
export class KindFollower {
  readonly #options: KindFollowerOptions;
  readonly #synced = Promise.withResolvers<void>();
  readonly #objects = new Map<string, FollowedObject>();
  #following: Following | undefined;
  #absentSinceMs: number | undefined;
  #isSynced = false;

  constructor(options: KindFollowerOptions) {
    this.#options = options;
  }

  /** Resolves once all objects are known, or the server does not have the kind. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  /** Follows this version from now on. */
  follow(kind: ApiKind): void {
    this.#absentSinceMs = undefined;
    if (this.#following?.kind.version === kind.version) return;
    this.#following?.stop();
    this.#following = this.#start(kind);
  }

  /** The server does not list the kind. At first that is not enough: a request for it must be refused, too. */
  noteUnlisted(expected: ApiKind): void {
    // A reflector that runs finds out by itself whether the kind is there, or was withdrawn for good.
    if (this.#following !== undefined) return;
    if (this.#isSynced) this.#noteAbsence();
    else this.#following = this.#start(expected);
  }

  #start(kind: ApiKind): Following {
    const { onStatus, signal } = this.#options;
    const { stop, unlink } = linkedAbort(signal);
    const reflector = startReflector<FollowedObject>(this.#options, {
      selection: { kind },
      transform: readObject,
      onChanges: (changes) => this.#take(changes),
      onStatus: (status) => {
        if (stop.signal.aborted) return;
        if (status.kind === "absent") this.#onAbsent();
        else onStatus(status);
      },
      signal: stop.signal,
    });
    void reflector.synced.then(() => {
      if (stop.signal.aborted) return;
      this.#remove((key) => !reflector.objects.has(key));
      this.#resolve();
    });
    return {
      kind,
      stop: () => {
        stop.abort();
        unlink();
      },
    };
  }

  #onAbsent(): void {
    this.#following?.stop();
    this.#following = undefined;
    this.#noteAbsence();
  }

  #noteAbsence(): void {
    const { onStatus, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#absentSinceMs ??= nowMs;
    if (nowMs - this.#absentSinceMs >= WITHDRAWN_AFTER_MS) this.#remove(() => true);
    onStatus({ kind: "absent", sinceMs: clock.now() });
    this.#resolve();
  }

  #resolve(): void {
    this.#isSynced = true;
    this.#synced.resolve();
  }

  #remove(isMissing: (key: string) => boolean): void {
    const missing = [...this.#objects].filter(([key]) => isMissing(key));
    if (missing.length > 0) this.#take(missing.map(([key, object]) => ({ kind: "delete", key, object })));
  }

  #take(changes: readonly ObjectChange<FollowedObject>[]): void {
    for (const { kind, key, object } of changes) {
      if (kind === "delete") this.#objects.delete(key);
      else this.#objects.set(key, object);
    }
    this.#options.onChanges(changes);
  }
}
