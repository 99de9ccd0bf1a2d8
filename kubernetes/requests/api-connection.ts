import { type Dispatcher, request } from "undici";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { ClusterAccess } from "../cluster-access.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { type ApiDispatchers, DispatcherSource } from "./api-dispatchers.ts";
import type { ApiResponse } from "./api-response.ts";
import { describeFailure } from "./connection-failure.ts";

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With its query. */
  readonly path: string;
  readonly content?: { readonly type: string; readonly text: string } | undefined;
  /** Sent twice it could create two objects; all others end in the same state. */
  readonly effect?: "creates";
}

/** A response whose body is still arriving. */
export interface OpenResponse {
  readonly call: string;
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: AsyncIterable<Buffer>;
}

export interface ApiConnectionDeps {
  readonly access: ClusterAccess;
  readonly userAgent: string;
  /** The largest response that is read. Lists come in pages; one object has at most about 1.5 MB in etcd. */
  readonly maxResponseBytes: number;
  /** The server's warnings, for example of a deprecated version. */
  readonly onWarning: (text: string) => void;
}

/** Sends single requests, each with fresh credentials. It neither retries nor limits their time. */
export class ApiConnection {
  readonly #deps: ApiConnectionDeps;
  readonly #dispatchers: DispatcherSource;

  constructor(deps: ApiConnectionDeps) {
    this.#deps = deps;
    this.#dispatchers = new DispatcherSource(deps.access);
  }

  /** For messages: without the query, which can be long. */
  describe({ method, path }: ApiRequest): string {
    return `${method} ${this.#deps.access.server}${path.split("?", 1)[0]}`;
  }

  /** The whole response. */
  async send(sent: ApiRequest, signal: AbortSignal): Promise<ApiResponse> {
    const { body, ...head } = await this.#open(sent, "calls", signal);
    return { ...head, body: await this.#readBody(body, head.call) };
  }

  /** The response of a watch, on a connection of its own. */
  async openStream(sent: ApiRequest, signal: AbortSignal): Promise<OpenResponse> {
    return await this.#open(sent, "watches", signal);
  }

  /** Ends open requests too. */
  close(): Promise<void> {
    return this.#dispatchers.close();
  }

  async #open(sent: ApiRequest, pool: Pool, signal: AbortSignal): Promise<OpenResponse> {
    const first = await this.#attempt(sent, { pool, which: "cached", signal });
    if (first.statusCode !== 401) return this.#openResponse(sent, first, signal);
    // The token or certificate may just have been replaced. The server did nothing for an unauthenticated request.
    await first.body.dump();
    return this.#openResponse(sent, await this.#attempt(sent, { pool, which: "renewed", signal }), signal);
  }

  async #attempt(sent: ApiRequest, { pool, which, signal }: Attempt): Promise<Dispatcher.ResponseData> {
    const { access, userAgent } = this.#deps;
    const { headers, tls } = await access.credentials(which).catch(credentialFailure);
    signal.throwIfAborted();
    try {
      return await request(`${access.server}${sent.path}`, {
        method: sent.method,
        dispatcher: this.#dispatchers.for(tls)[pool],
        signal,
        headers: {
          ...headers,
          accept: "application/json",
          "user-agent": userAgent,
          ...(sent.content !== undefined && { "content-type": sent.content.type }),
        },
        ...(sent.content !== undefined && { body: sent.content.text }),
      });
    } catch (caught) {
      throw this.#failure(sent, caught, signal);
    }
  }

  #openResponse(
    sent: ApiRequest,
    { statusCode, headers, body }: Dispatcher.ResponseData,
    signal: AbortSignal,
  ): OpenResponse {
    for (const warning of [headers["warning"] ?? []].flat()) this.#deps.onWarning(warning);
    const retryAfter = [headers["retry-after"]].flat()[0];
    const call = this.describe(sent);
    const failure = (caught: unknown): unknown => this.#failure(sent, caught, signal);
    return { call, status: statusCode, retryAfter, body: readChunks(body, failure) };
  }

  async #readBody(body: AsyncIterable<Buffer>, call: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body) {
      size += chunk.length;
      // Leaving the loop destroys the connection.
      if (size > this.#deps.maxResponseBytes) throw tooLarge(call, this.#deps.maxResponseBytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size);
  }

  #failure(sent: ApiRequest, caught: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    const text = `${this.describe(sent)}: ${describeFailure(caught)}`;
    return new KubernetesApiError("api_unreachable", text, { cause: caught });
  }
}

async function* readChunks(
  body: AsyncIterable<Buffer>,
  failure: (caught: unknown) => unknown,
): AsyncGenerator<Buffer, void> {
  try {
    for await (const chunk of body) yield chunk;
  } catch (caught) {
    throw failure(caught);
  }
}

type Pool = keyof ApiDispatchers;

interface Attempt {
  readonly pool: Pool;
  readonly which: "cached" | "renewed";
  readonly signal: AbortSignal;
}

function credentialFailure(caught: unknown): never {
  if (caught instanceof KubernetesApiError) throw caught;
  throw new KubernetesApiError("api_credentials", MeshError.from(caught).message, { cause: caught });
}

function tooLarge(call: string, limit: number): KubernetesApiError {
  return new KubernetesApiError("api_response_too_large", `${call}: the response has more than ${limit} bytes`);
}
