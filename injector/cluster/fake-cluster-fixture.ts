/** For tests: the objects of a cluster in memory, with compare-and-swap, and server-side apply of webhook lists. */
import type {
  ApiKind,
  KubernetesApi,
  KubernetesObject,
  NewKubernetesObject,
  ObjectName,
} from "../../kubernetes/kubernetes-api.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";

type Fields = Readonly<Record<string, unknown>>;

export class FakeCluster implements Pick<KubernetesApi, "get" | "create" | "replace" | "apply"> {
  readonly #objects = new Map<string, KubernetesObject>();
  #version = 0;
  /** Every call fails with this while it is set. */
  failure: Error | undefined;
  /** Runs before a write, for example to write first. */
  beforeWrite: () => Promise<void> = async () => undefined;
  readonly writes: string[] = [];

  /** Stores an object without any check. */
  put(kind: ApiKind, object: KubernetesObject): void {
    this.#version += 1;
    const metadata = { uid: `uid-${this.#version}`, ...object.metadata, resourceVersion: String(this.#version) };
    this.#objects.set(keyOf(kind, object.metadata), structuredClone({ ...object, metadata }));
  }

  remove(kind: ApiKind, name: ObjectName): void {
    this.#objects.delete(keyOf(kind, name));
  }

  find(kind: ApiKind, name: ObjectName): KubernetesObject | undefined {
    return this.#objects.get(keyOf(kind, name));
  }

  all(kind: ApiKind): readonly KubernetesObject[] {
    return [...this.#objects].filter(([key]) => key.startsWith(`${kind.plural} `)).map(([, object]) => object);
  }

  async get(kind: ApiKind, name: ObjectName): Promise<KubernetesObject | undefined> {
    this.#fail();
    return structuredClone(this.find(kind, name));
  }

  async create(kind: ApiKind, object: NewKubernetesObject): Promise<KubernetesObject> {
    await this.#write("create", kind);
    const { metadata } = object;
    if (!("name" in metadata)) throw new TypeError("the fake needs a name");
    const named = { ...object, metadata };
    if (this.find(kind, metadata) !== undefined) throw refused(409, "AlreadyExists");
    this.put(kind, named);
    return named;
  }

  async replace(kind: ApiKind, object: KubernetesObject): Promise<KubernetesObject> {
    await this.#write("replace", kind);
    const stored = this.find(kind, object.metadata);
    if (stored === undefined) throw refused(404, "NotFound");
    if (stored.metadata.resourceVersion !== object.metadata.resourceVersion) throw refused(409, "Conflict");
    this.put(kind, object);
    return object;
  }

  async apply(kind: ApiKind, object: KubernetesObject): Promise<KubernetesObject> {
    await this.#write("apply", kind);
    const stored = this.find(kind, object.metadata);
    if (stored === undefined || stored.metadata.uid !== object.metadata.uid) throw refused(409, "Conflict");
    const merged = { ...stored, webhooks: mergeWebhooks(listOf(stored["webhooks"]), listOf(object["webhooks"])) };
    this.put(kind, merged);
    return merged;
  }

  async #write(verb: string, { plural }: ApiKind): Promise<void> {
    this.#fail();
    await this.beforeWrite();
    this.writes.push(`${verb} ${plural}`);
  }

  #fail(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}

export function refused(status: number, reason: string): KubernetesApiError {
  return new KubernetesApiError("api_refused", `the server answered ${status} ${reason}`, { status, reason });
}

function mergeWebhooks(stored: readonly Fields[], applied: readonly Fields[]): readonly Fields[] {
  return stored.map((webhook) => {
    const over = applied.find((one) => one["name"] === webhook["name"]) ?? {};
    const clientConfig = { ...recordOf(webhook["clientConfig"]), ...recordOf(over["clientConfig"]) };
    return { ...webhook, ...over, clientConfig };
  });
}

function keyOf({ plural }: ApiKind, { namespace = "", name }: ObjectName): string {
  return `${plural} ${namespace}/${name}`;
}

function listOf(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map(recordOf) : [];
}

function recordOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
