import type { IncomingMessage } from "node:http";

/** Limits the memory of all request bodies that are being read, of all clients together. */
export interface BodyBudget {
  begin(request: IncomingMessage): BodyAccount;
}

/** One request's share of the budget. */
export interface BodyAccount {
  add(bytes: number): void;
  /** Must be called, however the reading ended. */
  close(): void;
}

/**
 * If the bodies would exceed `maxBytes` together, the oldest request is cut off. An API server sends a body within
 * milliseconds, so a client that holds memory by sending slowly is older.
 */
export function createBodyBudget(maxBytes: number): BodyBudget {
  /** In the order in which they began. */
  const taken = new Map<IncomingMessage, number>();
  let total = 0;
  const release = (request: IncomingMessage): void => {
    total -= taken.get(request) ?? 0;
    taken.delete(request);
  };
  const cutOffOldest = (): void => {
    const [oldest] = taken.keys();
    if (oldest === undefined) return;
    release(oldest);
    oldest.destroy();
  };
  return {
    begin: (request) => {
      taken.set(request, 0);
      return {
        add: (bytes) => {
          const before = taken.get(request);
          if (before === undefined) return;
          taken.set(request, before + bytes);
          total += bytes;
          while (total > maxBytes) cutOffOldest();
        },
        close: () => release(request),
      };
    },
  };
}
