import type { Clock, Logger, Random } from "../mesh/runtime.ts";
import { runCall } from "./bounded-call.ts";
import type { ClusterAccess } from "./cluster-access.ts";
import type {
  ApiKind,
  ApplyOptions,
  CallOptions,
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
} from "./kubernetes-api.ts";
import { KubernetesApiError } from "./kubernetes-api-error.ts";
import { ApiConnection, type ApiRequest } from "./requests/api-connection.ts";
import {
  type ApiResponse,
  errorFromResponse,
  type Fields,
  parseJsonResponse,
  parseList,
  parseObject,
  parseReview,
} from "./requests/api-response.ts";
import { discoverGroup, parseServerVersion } from "./requests/discovery-response.ts";
import { formatQuery, formatResourcePath } from "./requests/resource-path.ts";
import { readWatch } from "./requests/watch-stream.ts";

export interface KubernetesClientOptions {
  /** A call with its retries. @default 30,000 */
  readonly timeoutMs?: number;
  /** @default 64 MiB */
  readonly maxResponseBytes?: number;
  /** @default "entente" */
  readonly userAgent?: string;
}

export interface KubernetesClientDeps {
  readonly access: ClusterAccess;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** A client with its connections. */
export interface KubernetesClient extends KubernetesApi {
  /** Where the server is, for messages. */
  readonly server: string;
  /** Ends open calls and watches. */
  close(): Promise<void>;
}

const FIELD_MANAGER = "entente";
const JSON_TYPE = "application/json";
/** JSON is YAML, and every supported server takes this type. */
const APPLY_TYPE = "application/apply-patch+yaml";

/** Calls the API over HTTPS. Idempotent calls are tried again within their time limit. */
export function createKubernetesClient(
  deps: KubernetesClientDeps,
  options: KubernetesClientOptions = {},
): KubernetesClient {
  const { timeoutMs = 30_000, maxResponseBytes = 64 * 1024 * 1024, userAgent = "entente" } = options;
  const { access, clock, random, log } = deps;
  const onWarning = (text: string): void => log.warn({ component: "kubernetes", code: "api_warning" }, text);
  const connection = new ApiConnection({ access, userAgent, maxResponseBytes, onWarning });
  return new HttpKubernetesClient({ connection, clock, random, timeoutMs, server: access.server });
}

interface HttpClientDeps {
  readonly connection: ApiConnection;
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  readonly server: string;
}

class HttpKubernetesClient implements KubernetesClient {
  readonly #deps: HttpClientDeps;

  constructor(deps: HttpClientDeps) {
    this.#deps = deps;
  }

  get server(): string {
    return this.#deps.server;
  }

  async get(kind: ApiKind, name: ObjectName, options: CallOptions = {}): Promise<KubernetesObject | undefined> {
    const response = await this.#send({ method: "GET", path: formatResourcePath(kind, name) }, options, [404]);
    return response.status === 404 ? undefined : parseObject(parseJsonResponse(response), kind, response.call);
  }

  async list(kind: ApiKind, options: ListOptions): Promise<ListPage> {
    const { namespace, labelSelector, fieldSelector, limit, resourceVersion } = options;
    const query = { labelSelector, fieldSelector, limit, continue: options.continue, resourceVersion };
    const path = `${formatResourcePath(kind, { namespace })}${formatQuery(query)}`;
    const response = await this.#send({ method: "GET", path }, options);
    return parseList(parseJsonResponse(response), kind, response.call);
  }

  watch(kind: ApiKind, options: WatchOptions): AsyncIterable<WatchEvent> {
    const { connection, clock, timeoutMs } = this.#deps;
    return readWatch({ connection, clock, headerLimitMs: timeoutMs }, kind, options);
  }

  async create(kind: ApiKind, object: NewKubernetesObject, options: WriteOptions = {}): Promise<KubernetesObject> {
    const { namespace } = object.metadata;
    if (kind.isNamespaced && !namespace) throw withoutNamespace(kind);
    const path = `${formatResourcePath(kind, { namespace })}${writeQuery(options)}`;
    return await this.#write(kind, { method: "POST", path, content: json(object), effect: "creates" }, options);
  }

  async replace(kind: ApiKind, object: KubernetesObject, options: WriteOptions = {}): Promise<KubernetesObject> {
    const path = `${pathOf(kind, object, options)}${writeQuery(options)}`;
    return await this.#write(kind, { method: "PUT", path, content: json(object) }, options);
  }

  async apply(kind: ApiKind, object: KubernetesObject, options: ApplyOptions = {}): Promise<KubernetesObject> {
    const force = options.force === true ? { force: true } : {};
    const path = `${pathOf(kind, object, options)}${writeQuery(options, force)}`;
    const content = { type: APPLY_TYPE, text: JSON.stringify(object) };
    return await this.#write(kind, { method: "PATCH", path, content }, options);
  }

  async delete(kind: ApiKind, name: ObjectName, options: DeleteOptions = {}): Promise<void> {
    const { preconditions, propagationPolicy, dryRun } = options;
    const content = json({
      apiVersion: "v1",
      kind: "DeleteOptions",
      ...(preconditions !== undefined && { preconditions }),
      ...(propagationPolicy !== undefined && { propagationPolicy }),
      ...(dryRun === true && { dryRun: ["All"] }),
    });
    await this.#send({ method: "DELETE", path: formatResourcePath(kind, name), content }, options, [404]);
  }

  async review(kind: ApiKind, object: ReviewObject, options: CallOptions = {}): Promise<ReviewObject> {
    const sent = { method: "POST", path: formatResourcePath(kind, {}), content: json(object) } as const;
    const response = await this.#send(sent, options);
    return parseReview(parseJsonResponse(response), kind, response.call);
  }

  async version(options: CallOptions = {}): Promise<ServerVersion> {
    const response = await this.#send({ method: "GET", path: "/version" }, options);
    return parseServerVersion(parseJsonResponse(response), response.call);
  }

  async discover(group: string, options: CallOptions = {}): Promise<readonly DiscoveredKind[]> {
    return await discoverGroup(group, async (path) => {
      const response = await this.#send({ method: "GET", path }, options, [404]);
      return response.status === 404 ? undefined : { fields: parseJsonResponse(response), call: response.call };
    });
  }

  close(): Promise<void> {
    return this.#deps.connection.close();
  }

  async #write(kind: ApiKind, sent: ApiRequest, options: CallOptions): Promise<KubernetesObject> {
    const response = await this.#send(sent, options);
    return parseObject(parseJsonResponse(response), kind, response.call);
  }

  /** Throws for every status but 2xx and the accepted ones. */
  async #send(sent: ApiRequest, options: CallOptions, accepted: readonly number[] = []): Promise<ApiResponse> {
    const { connection, clock, random } = this.#deps;
    const what = connection.describe(sent);
    const limits = { timeoutMs: options.timeoutMs ?? this.#deps.timeoutMs, signal: options.signal };
    const isIdempotent = sent.effect !== "creates";
    return await runCall({ clock, random, what, isIdempotent, ...limits }, async (signal) => {
      const response = await connection.send(sent, signal);
      const isAccepted = (response.status >= 200 && response.status < 300) || accepted.includes(response.status);
      if (!isAccepted) throw errorFromResponse(response, clock.now());
      return response;
    });
  }
}

function json(object: Fields): { readonly type: string; readonly text: string } {
  return { type: JSON_TYPE, text: JSON.stringify(object) };
}

function pathOf(kind: ApiKind, { metadata }: KubernetesObject, { subresource }: WriteOptions): string {
  return formatResourcePath(kind, { namespace: metadata.namespace, name: metadata.name, subresource });
}

function writeQuery(options: WriteOptions, more: Readonly<Record<string, boolean>> = {}): string {
  const dryRun = options.dryRun === true ? "All" : undefined;
  return formatQuery({ fieldManager: options.fieldManager ?? FIELD_MANAGER, dryRun, ...more });
}

function withoutNamespace(kind: ApiKind): KubernetesApiError {
  return new KubernetesApiError("api_invalid_request", `a new ${kind.kind} has no metadata.namespace`);
}
