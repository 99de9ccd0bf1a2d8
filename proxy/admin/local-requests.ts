import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { ProxyError } from "../proxy-error.ts";

export interface AwaitReadyOptions {
  /** @default 15021 */
  readonly port?: number;
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly signal: AbortSignal;
}

/** The pause between two requests. A proxy needs one or two seconds, and its application waits for it. */
const PERIOD_MS = 100;
const REQUEST_TIMEOUT_MS = 1000;

/**
 * Waits until the proxy of this pod is ready, by its readiness port. Rejects with the proxy's own reason when the time
 * is over. Node's own client is used because the process has to start fast: a container's start waits for it.
 */
export async function awaitReady({ port = 15021, timeoutMs, clock, signal }: AwaitReadyOptions): Promise<void> {
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  while (!signal.aborted) {
    const reason = await findFault(port);
    if (reason === undefined) return;
    if (clock.monotonicMs() + PERIOD_MS > deadlineMs) {
      throw new ProxyError("not_ready", `the proxy was not ready within ${timeoutMs / 1000} s: ${reason}`);
    }
    // Not the clock's timer: nothing else keeps this process alive.
    await sleep(PERIOD_MS);
  }
  throw new ProxyError("not_ready", "the wait for the proxy was interrupted");
}

async function findFault(port: number): Promise<string | undefined> {
  try {
    const { status, text } = await send({ port, method: "GET", path: "/healthz/ready" });
    return status === 200 ? undefined : text.trim();
  } catch (caught) {
    return MeshError.from(caught).message;
  }
}

/** Asks the proxy of this pod to drain (`POST /drain`). @param port of its status server, 15020. */
export async function requestDrain(port = 15020): Promise<void> {
  const { status, text } = await send({ port, method: "POST", path: "/drain" }).catch((caught: unknown) => {
    throw new ProxyError("no_proxy", `no proxy responds on 127.0.0.1:${port}: ${MeshError.from(caught).message}`);
  });
  if (status !== 200) throw new ProxyError("no_proxy", `the proxy refused to drain: ${status} ${text.trim()}`);
}

interface LocalRequest {
  readonly port: number;
  readonly method: "GET" | "POST";
  readonly path: string;
}

/** @returns the status and the text of the response. */
function send({ port, method, path }: LocalRequest): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, method, path, agent: false, timeout: REQUEST_TIMEOUT_MS } as const;
    const outgoing = request(options, (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString().slice(0, 500) }),
      );
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no response within ${REQUEST_TIMEOUT_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.end();
  });
}
