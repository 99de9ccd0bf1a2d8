import type { Child } from "../processes/child.ts";
import type { StartedPath } from "./path.ts";

export interface ProcessPair {
  readonly client: Child;
  readonly server: Child;
  /** Where the client speaks plaintext. */
  readonly clientPort: number;
  readonly meshPort: number;
}

/** A path of two processes, one a side. */
export function startedPair({ client, server, clientPort, meshPort }: ProcessPair): StartedPath {
  return {
    port: clientPort,
    meshPort,
    proxies: [
      { name: "client's side", pid: client.pid },
      { name: "server's side", pid: server.pid },
    ],
    stop: async () => void (await Promise.all([client.stop(), server.stop()])),
  };
}
