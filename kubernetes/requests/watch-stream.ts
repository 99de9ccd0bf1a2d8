import type { Clock } from "../../mesh/runtime.ts";
import type { ApiKind, WatchEvent, WatchOptions } from "../kubernetes-api.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { linkedAbort } from "../linked-abort.ts";
import type { ApiConnection, OpenResponse } from "./api-connection.ts";
import { errorFromResponse, errorFromStatus, invalid, isFields, parseObject } from "./api-response.ts";
import { formatQuery, formatResourcePath } from "./resource-path.ts";
import { WatchLines } from "./watch-lines.ts";

export interface WatchDeps {
  readonly connection: ApiConnection;
  readonly clock: Clock;
  /** The server sends the response's head at once, long before the first event. */
  readonly headerLimitMs: number;
}

/** One event with its object: etcd allows 1.5 MB, which binary data can multiply as JSON. */
const MAX_EVENT_BYTES = 16 * 1024 * 1024;

/** An error's body. */
const MAX_ERROR_BYTES = 64 * 1024;

/** The events of one watch, until the server ends it. */
export async function* readWatch(
  deps: WatchDeps,
  kind: ApiKind,
  options: WatchOptions,
): AsyncGenerator<WatchEvent, void> {
  const { stop, unlink } = linkedAbort(options.signal);
  try {
    const response = await openWatch(deps, { kind, options, stop });
    options.onOpen?.();
    const lines = new WatchLines(MAX_EVENT_BYTES);
    for await (const chunk of response.body) {
      for (const line of lines.push(chunk)) yield parseWatchEvent(line, kind, response.call);
      if (lines.isTooLong) throw tooLarge(response.call);
    }
    if (lines.isUnfinished) throw cut(response.call);
  } finally {
    unlink();
    stop.abort();
  }
}

interface OpeningWatch {
  readonly kind: ApiKind;
  readonly options: WatchOptions;
  readonly stop: AbortController;
}

async function openWatch(deps: WatchDeps, { kind, options, stop }: OpeningWatch): Promise<OpenResponse> {
  const { connection, clock, headerLimitMs } = deps;
  const { namespace, labelSelector, fieldSelector, resourceVersion, timeoutSeconds } = options;
  const selection = { labelSelector, fieldSelector, resourceVersion, timeoutSeconds };
  const query = formatQuery({ watch: true, allowWatchBookmarks: true, ...selection });
  const sent = { method: "GET", path: `${formatResourcePath(kind, { namespace })}${query}` } as const;
  const late = (): KubernetesApiError =>
    new KubernetesApiError(
      "api_timeout",
      `${connection.describe(sent)}: the watch did not start in ${headerLimitMs} ms`,
    );
  const timer = clock.setTimeout(() => stop.abort(late()), headerLimitMs);
  try {
    const response = await untilAborted(connection.openStream(sent, stop.signal), stop.signal);
    if (response.status === 200) return response;
    throw errorFromResponse({ ...response, body: await readError(response.body) }, clock.now());
  } finally {
    timer.cancel();
  }
}

/** One line of the stream. An ERROR event is thrown: 410 Expired, above all. */
export function parseWatchEvent(line: string, kind: ApiKind, call: string): WatchEvent {
  const event = parseLine(line);
  if (!isFields(event) || !isFields(event["object"])) throw invalid(call, "an event of the watch is not readable");
  const { type, object } = event;
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: parseObject(object, kind, call) };
    case "BOOKMARK":
      return { type, resourceVersion: parseBookmark(object["metadata"], call) };
    case "ERROR":
      throw errorFromStatus(call, object);
    default:
      throw invalid(call, `an event of the watch has the unknown type ${JSON.stringify(type)?.slice(0, 50)}`);
  }
}

function parseBookmark(metadata: unknown, call: string): string {
  const resourceVersion = isFields(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof resourceVersion === "string" && resourceVersion !== "") return resourceVersion;
  throw invalid(call, "a bookmark has no resourceVersion");
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function readError(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks);
}

/** The promise, or the signal's reason, whichever is first. */
function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

function cut(call: string): KubernetesApiError {
  return new KubernetesApiError("api_unreachable", `${call}: the watch was cut inside an event`);
}

function tooLarge(call: string): KubernetesApiError {
  const text = `${call}: an event of the watch has more than ${MAX_EVENT_BYTES} bytes`;
  return new KubernetesApiError("api_response_too_large", text);
}
