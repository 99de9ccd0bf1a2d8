import type { ApiKind, DiscoveredKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import type { ObjectChange } from "../../kubernetes/reflector/object-store.ts";
import type { ReflectorStatus } from "../../kubernetes/reflector/reflector-status.ts";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import type { ResourceKind } from "../../mesh/resources/resource.ts";
import type { KindDescription } from "../../mesh/resources/resource-kinds.ts";
import {
  EMPTY_SET,
  type ResourceSet,
  type UpdatableSet,
  updateResourceSet,
} from "../../mesh/resources/resource-set.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { createLogLimiter } from "../../net/log-limiter.ts";
import type { ConfigListener, ConfigSource, SourceStatus } from "../config-source.ts";
import { decideUpdate } from "./decide-update.ts";
import type { FollowedObject } from "./followed-object.ts";
import { GroupDiscovery } from "./group-discovery.ts";
import { KindFollower } from "./kind-follower.ts";
import { KindStatuses } from "./kind-statuses.ts";
import { CORE_KINDS, chooseVersion, expectedKind, MESH_KINDS } from "./mesh-kinds.ts";
import { describeMeshChange, errorsOnly, ProblemLedger, StatusLog } from "./source-reports.ts";

export interface KubernetesSourceOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Kinds to follow; a program that needs only some has rights for only these. @default all that configure the mesh */
  readonly kinds?: readonly ResourceKind[];
  /** Receives the status each time that it may have changed, from the start on. */
  readonly onStatus?: (status: SourceStatus) => void;
  /** Learns of each object that is or was invalid. */
  readonly onObject?: (kind: ApiKind, object: FollowedObject) => void;
  /** Stops; the last configuration stays readable. */
  readonly signal: AbortSignal;
}

/** Log lines of one sort a second: a thousand invalid objects may appear at once. */
const LINES_PER_SECOND = 20;

/**
 * Follows the Kubernetes API. Resolves once every kind that the server has was listed, however long that takes; rejects
 * only if the signal aborts before. Later the last state stays in force whatever happens to the API server.
 */
export async function startKubernetesSource(options: KubernetesSourceOptions): Promise<ConfigSource> {
  const source = new KubernetesSource(options);
  await source.start();
  return source;
}

class KubernetesSource implements ConfigSource {
  readonly #options: KubernetesSourceOptions;
  readonly #listeners = new Set<ConfigListener>();
  readonly #statuses = new KindStatuses();
  readonly #problems: ProblemLedger;
  readonly #statusLog: StatusLog;
  readonly #missing = new Set<ResourceKind>();
  readonly #versions = new Map<ResourceKind, ApiKind>();
  readonly #discoveries = new Map<string, GroupDiscovery>();
  #set: UpdatableSet = EMPTY_SET;
  #isStarted = false;

  constructor(options: KubernetesSourceOptions) {
    this.#options = options;
    this.#problems = new ProblemLedger(options.log, createLogLimiter(options.clock, LINES_PER_SECOND));
    this.#statusLog = new StatusLog(options.log, options.clock);
    options.signal.addEventListener("abort", () => this.#listeners.clear(), { once: true });
  }

  async start(): Promise<void> {
    const { signal, kinds } = this.#options;
    const isWanted = (kind: ResourceKind): boolean => kinds?.includes(kind) ?? true;
    const followers = [...CORE_KINDS]
      .filter(([kind]) => isWanted(kind))
      .map(([kind, api]) => this.#followCore(kind, api));
    const byGroup = Map.groupBy(
      MESH_KINDS.filter(({ kind }) => isWanted(kind)),
      ({ group }) => group,
    );
    for (const [group, descriptions] of byGroup) followers.push(...this.#followGroup(group, descriptions));
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    signal.throwIfAborted();
    await Promise.race([Promise.all(followers.map(({ synced }) => synced)), aborted]);
    this.#isStarted = true;
    this.#onStatus();
  }

  current(): ResourceSet {
    return this.#set;
  }

  subscribe(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  problems(): readonly ConfigProblem[] {
    return this.#problems.all();
  }

  status(): SourceStatus {
    return this.#isStarted ? this.#statuses.current() : this.#statuses.starting([...this.#missing]);
  }

  #followCore(kind: ResourceKind, api: ApiKind): KindFollower {
    const follower = this.#createFollower(kind, () => undefined);
    this.#versions.set(kind, api);
    follower.follow(api);
    return follower;
  }

  #followGroup(group: string, descriptions: readonly KindDescription[]): readonly KindFollower[] {
    const { api, clock, random, signal } = this.#options;
    const followers = descriptions.map((description) => ({
      description,
      follower: this.#createFollower(description.kind, () => this.#discoveries.get(group)?.hasten()),
    }));
    const onKinds = (discovered: readonly DiscoveredKind[]): void => {
      this.#statuses.setGroupFailure(group, undefined);
      for (const { description, follower } of followers) this.#choose(description, follower, discovered);
    };
    const onFailure = (why: string): void => {
      this.#statuses.setGroupFailure(group, why);
      this.#onStatus();
    };
    this.#discoveries.set(group, new GroupDiscovery({ api, clock, random, group, onKinds, onFailure, signal }));
    return followers.map(({ follower }) => follower);
  }

  #choose(description: KindDescription, follower: KindFollower, discovered: readonly DiscoveredKind[]): void {
    const { kind, versions } = description;
    const chosen = chooseVersion(description, discovered);
    if (chosen === undefined) follower.noteUnlisted(expectedKind(description));
    else {
      const before = this.#versions.get(kind);
      this.#versions.set(kind, chosen);
      follower.follow(chosen);
      if (before?.version !== chosen.version && !versions.includes(chosen.version)) {
        const fields = { kind, served: chosen.version, known: versions };
        this.#options.log.error(
          fields,
          "the API server has only versions of this kind that are not known; each object is invalid",
        );
      }
    }
  }

  /** @param onTrouble called when the kind may have been withdrawn, or its versions have changed */
  #createFollower(kind: ResourceKind, onTrouble: () => void): KindFollower {
    const { log } = this.#options;
    this.#missing.add(kind);
    const follower = new KindFollower({
      ...this.#options,
      // One line for all kinds is enough: `StatusLog` writes it.
      log: errorsOnly(log),
      onChanges: (changes) => this.#take(kind, changes),
      onStatus: (status) => this.#onKindStatus(kind, status, onTrouble),
    });
    void follower.synced.then(() => {
      this.#missing.delete(kind);
      this.#onStatus();
    });
    return follower;
  }

  #onKindStatus(kind: ResourceKind, status: ReflectorStatus, onTrouble: () => void): void {
    this.#statuses.set(kind, status);
    if (status.kind === "stale") onTrouble();
    this.#onStatus();
  }

  #onStatus(): void {
    const status = this.status();
    this.#statusLog.note(status);
    this.#options.onStatus?.(status);
  }

  #take(kind: ResourceKind, changes: readonly ObjectChange<FollowedObject>[]): void {
    const updates = changes.flatMap((change) => decideUpdate(this.#set, kind, change) ?? []);
    this.#report(kind, changes);
    const { set, change } = updateResourceSet(this.#set, updates);
    this.#set = set;
    if (change.resources.length === 0 || !this.#isStarted) return;
    const described = describeMeshChange(change);
    if (described !== undefined) this.#options.log.info({ ...described }, "the configuration has changed");
    for (const listener of [...this.#listeners]) listener(set, change);
  }

  #report(kind: ResourceKind, changes: readonly ObjectChange<FollowedObject>[]): void {
    const { onObject } = this.#options;
    const version = this.#versions.get(kind);
    for (const change of changes) {
      const name = `${kind}/${change.key}`;
      this.#problems.set(name, change.kind === "delete" ? [] : change.object.problems);
      const isOfInterest = change.kind === "upsert" && change.object.reference !== undefined;
      if (isOfInterest && version !== undefined) onObject?.(version, change.object);
    }
  }
}
