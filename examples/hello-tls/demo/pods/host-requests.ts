import { Worker } from "node:worker_threads";

export interface HostRequest {
  readonly id: number;
  readonly url: string;
  readonly host: string;
}

export type HostReply = (HostAnswer | HostFailure) & { readonly id: number };

export interface HostAnswer {
  readonly kind: "answered";
  readonly status: number;
  /** Without white space at its ends. */
  readonly text: string;
}

export interface HostFailure {
  readonly kind: "failed";
  readonly message: string;
}

/** Asks a URL as a program of this machine would, outside of the mesh. */
export interface HostRequester {
  /** Sends a GET with this Host header. Never rejects; it takes seconds at most. */
  ask(url: string, host: string): Promise<HostAnswer | HostFailure>;
  stop(): Promise<void>;
}

/** To be started before the mesh, while this thread is still in the machine's own network. */
export function startHostRequester(): HostRequester {
  const worker = new Worker(new URL("./host-requests-worker.ts", import.meta.url));
  const waiting = new Map<number, (reply: HostReply) => void>();
  let count = 0;
  worker.on("message", (reply: HostReply) => {
    waiting.get(reply.id)?.(reply);
    waiting.delete(reply.id);
  });
  const failAll = (message: string): void => {
    for (const [id, resolve] of waiting) resolve({ id, kind: "failed", message });
    waiting.clear();
  };
  worker.on("error", (error) => failAll(`the requester ended: ${String(error)}`));
  worker.on("exit", () => failAll("the requester was stopped"));
  return {
    ask(url, host) {
      const id = count++;
      return new Promise((resolve) => {
        waiting.set(id, resolve);
        worker.postMessage({ id, url, host } satisfies HostRequest);
      });
    },
    stop: async () => {
      await worker.terminate();
    },
  };
}
