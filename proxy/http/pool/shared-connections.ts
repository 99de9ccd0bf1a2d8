import type { UpstreamConnection } from "../upstream/upstream-connection.ts";
import type { UpstreamFailure } from "./dial-failure.ts";

/** A connection with that many streams gets another one beside it. */
const BUSY_STREAMS = 64;

/** How many connections an endpoint gets by choice. More only if the server's own limit leaves no stream free. */
const MAX_CHOSEN = 4;

/** How many requests wait for one dial, unless the endpoint's connections take fewer. */
const WAITING_PER_DIAL = 100;

/** A connection that is being made. Fulfilled with `undefined` when it takes streams. */
interface SharedDial {
  /** Requests that wait for it. */
  waiting: number;
  readonly cancel: AbortController;
  readonly done: Promise<UpstreamFailure | undefined>;
}

/** The HTTP/2 connections of one endpoint, and those being dialled: few, and each serves many requests. */
export class SharedConnections {
  readonly #dial: (signal: AbortSignal) => Promise<UpstreamFailure | undefined>;
  readonly #connections: UpstreamConnection[] = [];
  readonly #dials: SharedDial[] = [];
  #waitingPerDial = WAITING_PER_DIAL;

  /** @param dial makes a connection and adds it. */
  constructor(dial: (signal: AbortSignal) => Promise<UpstreamFailure | undefined>) {
    this.#dial = dial;
  }

  /** Connections that may take streams, and dials. */
  get size(): number {
    return this.#connections.length + this.#dials.length;
  }

  add(connection: UpstreamConnection): void {
    this.#connections.push(connection);
  }

  /** A new connection takes so many streams; the next one will, too. */
  noteLimit(streams: number): void {
    this.#waitingPerDial = Math.max(1, Math.min(WAITING_PER_DIAL, streams));
  }

  delete(connection: UpstreamConnection): void {
    const at = this.#connections.indexOf(connection);
    if (at >= 0) this.#connections.splice(at, 1);
  }

  /** No connection takes more requests. */
  retire(): void {
    for (const connection of this.#connections.splice(0)) connection.retire();
  }

  /** The connection with the fewest streams that takes one more. If even that one is busy, another one is dialled. */
  take(): UpstreamConnection | undefined {
    let best: UpstreamConnection | undefined;
    for (let at = this.#connections.length - 1; at >= 0; at -= 1) {
      const connection = this.#connections[at];
      if (connection === undefined) continue;
      if (!connection.isReusable) {
        this.delete(connection);
        connection.retire();
      } else if (connection.capacity > 0 && (best === undefined || connection.load < best.load)) best = connection;
    }
    if (best !== undefined && (best.load >= BUSY_STREAMS || best.isCongested) && this.size < MAX_CHOSEN) {
      this.dialMore();
    }
    return best;
  }

  /** Dials another connection, if none is being dialled. Nobody waits for it. */
  dialMore(): void {
    if (this.#dials.length === 0) this.#start();
  }

  /** Waits until another connection takes streams; for all that wait, few are dialled. */
  async join(signal: AbortSignal): Promise<UpstreamFailure | undefined> {
    const dial = this.#dials.find(({ waiting }) => waiting < this.#waitingPerDial) ?? this.#start();
    dial.waiting += 1;
    const failure = await Promise.race([dial.done, aborted(signal)]);
    dial.waiting -= 1;
    if (signal.aborted && dial.waiting === 0) {
      // It takes a moment to end, and no later request may wait for it.
      this.#end(dial);
      dial.cancel.abort();
    }
    return failure;
  }

  #start(): SharedDial {
    const cancel = new AbortController();
    const done = this.#dial(cancel.signal).finally(() => this.#end(dial));
    const dial: SharedDial = { waiting: 0, cancel, done };
    // Without waiters an exception would be an unhandled rejection, which ends the process.
    dial.done.catch(() => undefined);
    this.#dials.push(dial);
    return dial;
  }

  #end(dial: SharedDial): void {
    const at = this.#dials.indexOf(dial);
    if (at >= 0) this.#dials.splice(at, 1);
  }
}

function aborted(signal: AbortSignal): Promise<UpstreamFailure> {
  return new Promise((resolve) => {
    const failure: UpstreamFailure = { kind: "failed", cause: "connect", message: "the request was aborted" };
    if (signal.aborted) resolve(failure);
    else signal.addEventListener("abort", () => resolve(failure), { once: true });
  });
}
