import type { IncomingMessage } from "node:http";

/** Limits the memory of all request bodies that are being read or wait for their review, of all clients together. */
export interface BodyBudget {
  begin(request: IncomingMessage): BodyAccount;
}

/** One request's share of the budget. */
export interface BodyAccount {
  add(bytes: number): void;
  /** Must be called when the body is not in memory any more, however that came. */
  close(): void;
}

/** What a request takes beside its body: one connection can bring many small ones at once. */
const REQUEST_BYTES = 4096;

interface Taken {
  readonly client: string;
  bytes: number;
}

/**
 * If the bodies would exceed `maxBytes` together, the client with the most bytes loses its oldest request. So neither
 * bodies that are sent slowly nor a flood of whole ones keep out the API server, whose few bodies are soon reviewed.
 */
export function createBodyBudget(maxBytes: number): BodyBudget {
  /** In the order in which they began. */
  const taken = new Map<IncomingMessage, Taken>();
  const ofClients = new Map<string, number>();
  let total = 0;
  const count = (client: string, bytes: number): void => {
    total += bytes;
    const sum = (ofClients.get(client) ?? 0) + bytes;
    if (sum > 0) ofClients.set(client, sum);
    else ofClients.delete(client);
  };
  const release = (request: IncomingMessage): void => {
    const { client, bytes } = taken.get(request) ?? { client: "", bytes: 0 };
    taken.delete(request);
    count(client, -bytes);
  };
  const cutOff = (): void => {
    const largest = largestOf(ofClients);
    for (const [request, { client }] of taken) {
      if (client !== largest) continue;
      release(request);
      request.destroy();
      // A request that has been read is over, and its own destroy() leaves the connection open.
      request.socket.destroy();
      return;
    }
  };
  return {
    begin: (request) => {
      const client = request.socket.remoteAddress ?? "";
      taken.set(request, { client, bytes: 0 });
      const add = (bytes: number): void => {
        const share = taken.get(request);
        if (share === undefined) return;
        share.bytes += bytes;
        count(client, bytes);
        while (total > maxBytes) cutOff();
      };
      add(REQUEST_BYTES);
      return { add, close: () => release(request) };
    },
  };
}

function largestOf(clients: ReadonlyMap<string, number>): string | undefined {
  let largest: string | undefined;
  for (const [client, bytes] of clients) {
    if (largest === undefined || bytes > (clients.get(largest) ?? 0)) largest = client;
  }
  return largest;
}
