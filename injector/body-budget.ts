import type { IncomingMessage } from "node:http";

/** The memory that bodies under way take, of all clients together. */
export interface BodyBudget {
  begin(request: IncomingMessage): BodyAccount;
}

/** What one request has taken of it. */
export interface BodyAccount {
  add(bytes: number): void;
  /** Must be called, however the reading ended. */
  close(): void;
}

/**
 * Where bodies would take more than `maxBytes` together, the request that began first is cut off: an API server sends
 * a body within milliseconds, and whoever holds memory by sending slowly has begun before.
 */
export function createBodyBudget(maxBytes: number): BodyBudget {
  /** In the order of their beginning. */
  const taken = new Map<IncomingMessage, number>();
  let total = 0;
  const giveBack = (request: IncomingMessage): void => {
    total -= taken.get(request) ?? 0;
    taken.delete(request);
  };
  const cutFirst = (): void => {
    const [first] = taken.keys();
    if (first === undefined) return;
    giveBack(first);
    first.destroy();
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
          while (total > maxBytes) cutFirst();
        },
        close: () => giveBack(request),
      };
    },
  };
}
