/** For tests of pools: connections of several streams, without a codec. */
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { DialedUpstream, PoolPlace, UpstreamConnection, UpstreamOwner } from "../upstream/upstream-connection.ts";
import type { UpstreamStream } from "../upstream/upstream-stream.ts";
import { IDLE_MS, PoolWorld } from "./upstream-pool-fixture.ts";

/** A connection of many streams, as HTTP/2 has them. */
export class SharedConnection implements UpstreamConnection {
  readonly dialed: DialedUpstream;
  readonly place: PoolPlace = { isListed: false, idleSinceMs: undefined, hasEnded: false, successorUntilMs: 0 };
  readonly idleMs = IDLE_MS;
  readonly #owner: UpstreamOwner;
  readonly #limit: number;
  streams = 0;
  aborted: AbortReason[] = [];
  isEnding = false;
  isCongested = false;
  isRetired = false;
  isClosed = false;

  constructor(dialed: DialedUpstream, owner: UpstreamOwner, limit: number) {
    this.dialed = dialed;
    this.#owner = owner;
    this.#limit = limit;
    dialed.socket.once("close", () => this.close());
  }

  get capacity(): number {
    return this.isReusable ? this.#limit - this.streams : 0;
  }

  get isIdle(): boolean {
    return !this.isClosed && this.streams === 0;
  }

  get isReusable(): boolean {
    return !this.isClosed && !this.isRetired && !this.isEnding && this.dialed.isCurrent();
  }

  openStream(): UpstreamStream {
    this.streams += 1;
    const sends = { sendHead: () => undefined, sendBody: () => true, sendEnd: () => true, uncork: () => true };
    const ignored = { cork: () => undefined, pause: () => undefined, resume: () => undefined };
    const close = (): void => {
      this.streams -= 1;
      if (this.isRetired && this.isIdle) this.close();
    };
    return {
      ...{ isReused: false, release: close, detach: () => undefined, ...sends, ...ignored },
      abort: (reason) => {
        this.aborted.push(reason);
        close();
      },
    };
  }

  get load(): number {
    return this.streams;
  }

  retire(): void {
    this.isRetired = true;
    if (this.isIdle) this.close();
  }

  checkDeadline(): void {}

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.dialed.socket.destroy();
    this.#owner.onClosed(this);
  }
}

/** A pool whose requests all go over connections of several streams. @param limit streams of a connection. */
export function startSharedWorld(limit: number, options: { endpoints?: number; maxIdle?: number } = {}) {
  const connections: SharedConnection[] = [];
  const world = new PoolWorld({
    ...options,
    connect: (dialed, { owner }) => {
      const connection = new SharedConnection(dialed, owner, limit);
      connections.push(connection);
      return connection;
    },
  });
  world.settings = { httpVersion: "2" };
  return { world, connections, pool: world.pool };
}
