import type {
  ApiKind,
  ApplyOptions,
  DeleteOptions,
  DiscoveredKind,
  KubernetesApi,
  KubernetesObject,
  ListOptions,
  ListPage,
  NewKubernetesObject,
  ObjectName,
  ReviewObject,
  ServerVersion,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { errorFromStatus } from "../requests/api-response.ts";
import { parseWatchEvent } from "../requests/watch-stream.ts";
import { RefusedRequest, statusObject } from "./storage/refused-request.ts";
import type { TestCluster } from "./test-cluster.ts";
import { bookmark, type OpenWatch, startWatchFeed, type WireEvent } from "./watch-feed.ts";

export interface InProcessCall {
  readonly verb: "get" | "list" | "watch" | "create" | "replace" | "apply" | "delete" | "review" | "discover";
  readonly resource: string;
  /** Of a list. */
  readonly limit?: number | undefined;
}

export interface InProcessApiOptions {
  /** Runs before each call; what it throws is the call's error. @default nothing */
  readonly beforeCall?: (call: InProcessCall) => void | Promise<void>;
  /** Whether the watches that open now send nothing. @default they do */
  readonly isSilent?: () => boolean;
}

/**
 * The API of a test cluster without a network, for tests with a fake clock and for those that need no server. The test
 * server serves the same cluster over TLS.
 */
export class InProcessApi implements KubernetesApi {
  readonly #cluster: TestCluster;
  readonly #beforeCall: (call: InProcessCall) => void | Promise<void>;
  readonly #isSilent: () => boolean;
  readonly watches = new Set<OpenWatch>();

  constructor(cluster: TestCluster, options: InProcessApiOptions = {}) {
    this.#cluster = cluster;
    this.#beforeCall = options.beforeCall ?? (() => undefined);
    this.#isSilent = options.isSilent ?? (() => false);
  }

  get(kind: ApiKind, name: ObjectName): Promise<KubernetesObject | undefined> {
    return this.#call("get", kind, () => orAbsent(() => this.#cluster.get(kind, name)));
  }

  list(kind: ApiKind, options: ListOptions): Promise<ListPage> {
    return this.#call("list", { ...kind, limit: options.limit }, () => {
      const { remaining: _, ...page } = this.#cluster.list(kind, options);
      return page;
    });
  }

  async *watch(kind: ApiKind, options: WatchOptions): AsyncGenerator<WatchEvent, void> {
    await this.#call("watch", kind, () => undefined);
    const queue = new EventQueue();
    const send = this.#isSilent() ? () => undefined : (event: WireEvent) => queue.push(event);
    const stopFeed = refusals(kind, () => startWatchFeed(this.#cluster, kind, options, send));
    const served = this.#cluster.served(kind);
    const open: OpenWatch = {
      kind,
      resourceVersion: options.resourceVersion,
      bookmark: () => queue.push(bookmark(this.#cluster, served)),
      mute: stopFeed,
      end: () => queue.end(),
      cut: () => queue.end(new KubernetesApiError("api_unreachable", "the connection was cut")),
      fail: (object) => queue.push({ type: "ERROR", object }),
    };
    const onAbort = (): void => queue.end(options.signal?.reason);
    options.signal?.addEventListener("abort", onAbort, { once: true });
    this.watches.add(open);
    options.onOpen?.();
    try {
      for await (const event of queue.read())
        yield parseWatchEvent(JSON.stringify(event), kind, `watch ${kind.plural}`);
    } finally {
      this.watches.delete(open);
      stopFeed();
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  create(kind: ApiKind, object: NewKubernetesObject, options: WriteOptions = {}): Promise<KubernetesObject> {
    return this.#call("create", kind, () => this.#cluster.create(kind, object, options));
  }

  replace(kind: ApiKind, object: KubernetesObject, options: WriteOptions = {}): Promise<KubernetesObject> {
    return this.#call("replace", kind, () => this.#cluster.replace(kind, object, options));
  }

  apply(kind: ApiKind, object: KubernetesObject, options: ApplyOptions = {}): Promise<KubernetesObject> {
    return this.#call("apply", kind, () => this.#cluster.apply(kind, object, { fieldManager: "entente", ...options }));
  }

  async delete(kind: ApiKind, name: ObjectName, options: DeleteOptions = {}): Promise<void> {
    const { preconditions, dryRun } = options;
    await this.#call("delete", kind, () =>
      orAbsent(() => this.#cluster.delete(kind, name, { ...preconditions, dryRun })),
    );
  }

  /** The test server has tokens and rights; a cluster alone refuses. */
  review(kind: ApiKind): Promise<ReviewObject> {
    return this.#call("review", kind, () => {
      throw new RefusedRequest(403, "Forbidden", `${kind.plural} need the test server`);
    });
  }

  async version(): Promise<ServerVersion> {
    return { major: 1, minor: 34, gitVersion: "v1.34.3" };
  }

  discover(group: string): Promise<readonly DiscoveredKind[]> {
    const kinds = (): readonly DiscoveredKind[] =>
      this.#cluster.kinds
        .filter((kind) => kind.group === group)
        .map((kind) => ({ ...kind, verbs: ["get", "list", "watch"] }));
    return this.#call("discover", { plural: group }, kinds);
  }

  async #call<Value>(
    verb: InProcessCall["verb"],
    { plural, limit }: Pick<ApiKind, "plural"> & Pick<InProcessCall, "limit">,
    run: () => Value,
  ): Promise<Value> {
    await this.#beforeCall({ verb, resource: plural, limit });
    return refusals({ plural }, run);
  }
}

/** Turns the cluster's refusals into the client's errors. */
function refusals<Value>({ plural }: Pick<ApiKind, "plural">, run: () => Value): Value {
  try {
    return run();
  } catch (caught) {
    throw caught instanceof RefusedRequest ? errorFromStatus(plural, statusObject(caught)) : caught;
  }
}

function orAbsent<Value>(run: () => Value): Value | undefined {
  try {
    return run();
  } catch (caught) {
    if (caught instanceof RefusedRequest && caught.status === 404) return undefined;
    throw caught;
  }
}

/** Events for one reader, in their order. */
class EventQueue {
  readonly #events: WireEvent[] = [];
  #end: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  push(event: WireEvent): void {
    this.#events.push(event);
    this.#wake();
  }

  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }

  async *read(): AsyncGenerator<WireEvent, void> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) yield event;
      else if (this.#end?.error !== undefined) throw this.#end.error;
      else if (this.#end !== undefined) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
