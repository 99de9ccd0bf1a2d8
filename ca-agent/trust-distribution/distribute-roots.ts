import { pause } from "../../kubernetes/bounded-call.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import type { ObjectChange } from "../../kubernetes/reflector/object-store.ts";
import { type Reflector, startReflector } from "../../kubernetes/reflector/reflector.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, LogLimiter, Random } from "../../mesh/runtime.ts";
import { DueQueue } from "./due-queue.ts";
import { formatRootConfigMap, isUpToDate, ROOT_CONFIG_MAP, type RootOwner } from "./root-config-map.ts";

export interface RootDistributionOptions {
  readonly api: KubernetesApi;
  readonly roots: {
    current(): readonly string[];
    /** Calls the listener after each change. Returns the function that unsubscribes. */
    subscribe(listener: () => void): () => void;
  };
  /** The mesh's own namespace, which owns the ConfigMaps. */
  readonly ownerNamespace: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Checked before a line that anybody who may write ConfigMaps can cause. */
  readonly limitLog: LogLimiter;
  readonly signal: AbortSignal;
}

/** Istio's exceptions: no pods run there. */
export const NAMESPACES_WITHOUT_ROOTS: readonly string[] = ["kube-public", "kube-node-lease", "local-path-storage"];
/** Together with the pause, at most 80 writes a second. */
const WORKERS = 8;
const PAUSE_MS = 100;
const CALL_MS = 15_000;
/** So long another control plane has to repair it, or to hear of new roots itself. */
const REPAIR_MS = 1000;
const MAX_BACKOFF_MS = 300_000;
/** A ConfigMap that was left alone for so long begins anew. */
const PEACE_MS = 600_000;
/** So many repairs in a row are no accident. */
const QUARREL_REPAIRS = 5;

/**
 * Keeps the roots in the ConfigMap `istio-ca-root-cert` of every namespace: in new ones at once, changed or deleted ones
 * again, all of them after a change of the roots. Every control plane does it; what another one has written is left
 * alone, because it is equal. Runs until the signal aborts.
 */
export function startRootDistribution(options: RootDistributionOptions): void {
  const distribution = new RootDistribution(options);
  distribution.start();
}

interface Namespace {
  readonly name: string;
  readonly uid: string;
  readonly isEnding: boolean;
}

interface Attempts {
  /** Repairs or failures in a row. */
  readonly count: number;
  readonly lastMs: number;
}

class RootDistribution {
  readonly #options: RootDistributionOptions;
  readonly #queue: DueQueue;
  readonly #namespaces: Reflector<Namespace>;
  readonly #configMaps: Reflector<KubernetesObject>;
  readonly #attempts = new Map<string, Attempts>();

  constructor(options: RootDistributionOptions) {
    const { signal } = options;
    this.#options = options;
    this.#queue = new DueQueue(options.clock);
    this.#namespaces = startReflector(options, {
      selection: { kind: KINDS.namespaces },
      transform: readNamespace,
      onChanges: (changes) => this.#onNamespaces(changes),
      signal,
    });
    this.#configMaps = startReflector(options, {
      selection: { kind: KINDS.configMaps, fieldSelector: `metadata.name=${ROOT_CONFIG_MAP}` },
      transform: withWriters,
      onChanges: (changes) => this.#onConfigMaps(changes),
      signal,
    });
  }

  start(): void {
    const { roots, signal } = this.#options;
    const checkAll = (): void => {
      for (const name of this.#namespaces.objects.keys()) this.#queue.add(name, 0);
    };
    const unsubscribe = roots.subscribe(checkAll);
    signal.addEventListener("abort", unsubscribe, { once: true });
    void Promise.all([this.#namespaces.synced, this.#configMaps.synced]).then(() => {
      checkAll();
      for (let worker = 0; worker < WORKERS; worker += 1) void this.#work();
    });
  }

  #onNamespaces(changes: readonly ObjectChange<Namespace>[]): void {
    for (const { kind, key } of changes) {
      if (kind === "upsert") this.#queue.add(key, 0);
      else this.#attempts.delete(key);
    }
  }

  #onConfigMaps(changes: readonly ObjectChange<KubernetesObject>[]): void {
    const roots = this.#options.roots.current();
    const owner = this.#owner();
    for (const { kind, object } of changes) {
      const { namespace = "" } = object.metadata;
      if (kind === "upsert" && isUpToDate(object, roots, owner)) continue;
      this.#queue.add(namespace, this.#delayRepair(namespace, object));
    }
  }

  /** The more often something has to be repaired, the longer it waits: two programs must not write in a circle. */
  #delayRepair(namespace: string, object: KubernetesObject): number {
    const { clock, log, limitLog } = this.#options;
    const { count, lastMs } = this.#attempts.get(namespace) ?? { count: 0, lastMs: Number.NEGATIVE_INFINITY };
    const repairs = clock.monotonicMs() - lastMs > PEACE_MS ? 0 : count;
    if (repairs === QUARREL_REPAIRS && limitLog("root_quarrel").isGranted) {
      log.error(
        { component: "ca-agent", code: "root_quarrel", namespace, writers: object["writers"] },
        `another program keeps changing ConfigMap ${namespace}/${ROOT_CONFIG_MAP}: end it, or give both meshes one cacerts`,
      );
    }
    return this.#backoff(repairs);
  }

  #backoff(count: number): number {
    const ceilingMs = Math.min(REPAIR_MS * 2 ** count, MAX_BACKOFF_MS);
    return ceilingMs * (0.5 + this.#options.random() / 2);
  }

  async #work(): Promise<void> {
    const { clock, signal } = this.#options;
    while (!signal.aborted) {
      try {
        const name = await this.#queue.take(signal);
        if (await this.#bringUpToDate(name)) await pause(clock, PAUSE_MS, signal);
      } catch (caught) {
        if (!signal.aborted) this.#report(caught, "?");
      }
    }
  }

  /** @returns whether the API was called */
  async #bringUpToDate(name: string): Promise<boolean> {
    const { api, roots, signal } = this.#options;
    const namespace = this.#namespaces.objects.get(name);
    if (namespace === undefined || namespace.isEnding || NAMESPACES_WITHOUT_ROOTS.includes(name)) return false;
    const wanted = roots.current();
    const owner = this.#owner();
    const present = this.#configMaps.objects.get(`${name}/${ROOT_CONFIG_MAP}`);
    if (present !== undefined && isUpToDate(present, wanted, owner)) return false;
    try {
      // By force: what another manager has written there, Istio for example, must not keep old roots alive.
      const configMap = formatRootConfigMap(name, wanted, owner);
      await api.apply(KINDS.configMaps, configMap, { force: true, timeoutMs: CALL_MS, signal });
      this.#count(name);
    } catch (caught) {
      if (signal.aborted || isNamespaceGone(caught)) return true;
      this.#report(caught, name);
      this.#queue.add(name, this.#backoff(this.#count(name)));
    }
    return true;
  }

  /** None if the control plane runs outside of the cluster, without the namespace. */
  #owner(): RootOwner | undefined {
    const found = this.#namespaces.objects.get(this.#options.ownerNamespace);
    return found === undefined || found.isEnding ? undefined : found;
  }

  #count(name: string): number {
    const lastMs = this.#options.clock.monotonicMs();
    const before = this.#attempts.get(name);
    const count = before === undefined || lastMs - before.lastMs > PEACE_MS ? 1 : before.count + 1;
    this.#attempts.set(name, { count, lastMs });
    return count;
  }

  #report(caught: unknown, namespace: string): void {
    const { log, limitLog } = this.#options;
    const { code, message } = MeshError.from(caught);
    const { isGranted, heldBack } = limitLog("root_not_distributed");
    if (!isGranted) return;
    const fields = { component: "ca-agent", code, namespace, reason: message, heldBack };
    log.error(fields, `the roots could not be written to ConfigMap ${namespace}/${ROOT_CONFIG_MAP}; it is tried again`);
  }
}

function readNamespace({ metadata, status }: KubernetesObject): Namespace {
  const isTerminating = typeof status === "object" && status !== null && Reflect.get(status, "phase") === "Terminating";
  const { name, uid = "" } = metadata;
  return { name, uid, isEnding: metadata.deletionTimestamp !== undefined || isTerminating };
}

/** The names of the programs that have written to it, instead of the long list of who has set what. */
function withWriters({ metadata: { managedFields = [], ...metadata }, ...object }: KubernetesObject): KubernetesObject {
  const writers = managedFields.flatMap((entry) =>
    typeof entry === "object" && entry !== null && "manager" in entry ? [String(entry.manager).slice(0, 100)] : [],
  );
  return { apiVersion: object.apiVersion, kind: object.kind, metadata, data: object["data"], writers };
}

/** The namespace was deleted, or is about to be. */
function isNamespaceGone(caught: unknown): boolean {
  if (!(caught instanceof KubernetesApiError)) return false;
  return caught.status === 404 || (caught.status === 403 && caught.message.includes("being terminated"));
}
