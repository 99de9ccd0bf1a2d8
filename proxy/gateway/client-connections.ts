import type { Server } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../mesh/runtime.ts";
import { ConnectionCapacity, type CountedConnection } from "../connections/connection-capacity.ts";

/** One client's connection to a listener. */
export interface ClientConnection extends CountedConnection {
  /** Runs when the requests before have been answered: at most one is under way on a connection. */
  enqueue(start: (done: () => void) => void): void;
  /** Nothing that comes after is a request: its beginning is in doubt. */
  condemn(): void;
  readonly isCondemned: boolean;
  /** Condemns it, and closes it when what it was told is written. However often it is called, that happens once. */
  closeSoon(): void;
  readonly isBusy: boolean;
  cut(): void;
  /** How many requests have begun. */
  readonly requests: number;
}

/** Bounds the clients of all listeners: one that waits for a request makes room for a new one. */
export type ClientCapacity = ConnectionCapacity<ClientConnection>;

/** @param limit of all listeners together. */
export function createClientCapacity(limit: number, clock: Clock): ClientCapacity {
  return new ConnectionCapacity({ limit, clock, displace: (connection) => connection.cut() });
}

export interface ClientConnections {
  of(socket: Socket): ClientConnection;
  readonly size: number;
  /** Closes the connections on which not a byte has come; Node takes only those for idle that had a request. */
  destroyUnused(): void;
  destroyAll(): void;
}

/** A client that sends more requests than this ahead of the answers is cut. */
const MAX_PIPELINED = 64;

/**
 * Knows the open connections of a server. Node hands over pipelined requests all at once; here they are served one after
 * the other, so that a request behind a refused one is never carried out.
 */
export function trackClientConnections(server: Server, capacity: ClientCapacity): ClientConnections {
  const open = new Map<Socket, QueuedConnection>();
  server.on("connection", (socket: Socket) => {
    const connection = new QueuedConnection(socket);
    open.set(socket, connection);
    // One for the whole life of the connection: whoever gets hold of it (an upgrade, a refusal) may rely on it.
    socket.on("error", ignore);
    socket.once("close", () => open.delete(socket));
    if (!capacity.enter(connection)) connection.cut();
  });
  return {
    of: (socket) => open.get(socket) ?? new QueuedConnection(socket),
    get size() {
      return open.size;
    },
    destroyUnused: () => {
      for (const socket of open.keys()) if (socket.bytesRead === 0) socket.destroy();
    },
    destroyAll: () => {
      for (const socket of open.keys()) socket.destroy();
    },
  };
}

class QueuedConnection implements ClientConnection {
  readonly #socket: Socket;
  readonly #waiting: ((done: () => void) => void)[] = [];
  readonly isVerified = false;
  readonly ended: Promise<void>;
  isCondemned = false;
  isBusy = false;
  requests = 0;
  #isClosing = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.ended = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  get isIdle(): boolean {
    return !this.isBusy && this.#waiting.length === 0 && !this.isCondemned;
  }

  cut(): void {
    this.#socket.destroy();
  }

  enqueue(start: (done: () => void) => void): void {
    if (this.#waiting.length >= MAX_PIPELINED) return void this.#socket.destroy();
    this.#waiting.push(start);
    this.#startNext();
  }

  condemn(): void {
    this.isCondemned = true;
  }

  closeSoon(): void {
    this.isCondemned = true;
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#socket.destroySoon();
  }

  #startNext(): void {
    if (this.isBusy || this.isCondemned || this.#socket.destroyed) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.isBusy = true;
    this.requests += 1;
    next(() => {
      this.isBusy = false;
      this.#startNext();
    });
  }
}

function ignore(): void {}
