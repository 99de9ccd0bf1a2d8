import { describe, expect, it } from "vitest";
import { ABANDONED, type AbortReason } from "../../messages/abort-reason.ts";
import type { DialedUpstream, PoolPlace, UpstreamConnection, UpstreamOwner } from "../upstream/upstream-connection.ts";
import type { UpstreamStream } from "../upstream/upstream-stream.ts";
import type { TakenUpstream } from "./upstream-pool.ts";
import { address, IDLE_MS, PoolWorld, requestHead } from "./upstream-pool-fixture.ts";

const GET = requestHead();

/** A connection of many streams, as HTTP/2 has them. */
class SharedConnection implements UpstreamConnection {
  readonly dialed: DialedUpstream;
  readonly place: PoolPlace = { isListed: false, idleSinceMs: undefined, hasLeft: false };
  readonly idleMs = IDLE_MS;
  readonly #owner: UpstreamOwner;
  readonly #limit: number;
  streams = 0;
  aborted: AbortReason[] = [];
  isLeaving = false;
  isCongested = false;
  isRetired = false;
  isClosed = false;

  constructor(dialed: DialedUpstream, owner: UpstreamOwner, limit: number) {
    this.dialed = dialed;
    this.#owner = owner;
    this.#limit = limit;
  }

  get capacity(): number {
    return this.isReusable ? this.#limit - this.streams : 0;
  }

  get isIdle(): boolean {
    return !this.isClosed && this.streams === 0;
  }

  get isReusable(): boolean {
    return !this.isClosed && !this.isRetired && !this.isLeaving && this.dialed.isCurrent();
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
    this.isClosed = true;
    this.#owner.onClosed(this);
  }
}

/** @param limit streams of a connection. */
function startWorld(limit: number, options: { endpoints?: number; maxIdle?: number } = {}) {
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

describe("a connection of several streams", () => {
  it("takes requests until it is full, then another one is dialled", async () => {
    const { world } = startWorld(2);
    const taken: TakenUpstream[] = [];
    for (let request = 0; request < 5; request += 1) taken.push(await world.take());
    expect(world.dials).toHaveLength(3);
    expect(new Set(taken.map(({ connection }) => connection)).size).toBe(3);
    expect(world.pool.active).toBe(5);
  });

  it("that was full takes requests again when one has ended, well or badly", async () => {
    const { world, pool } = startWorld(2);
    const [one, other] = [await world.take(), await world.take()];
    pool.release(one);
    const next = pool.take(GET, undefined);
    expect(next?.connection).toBe(one.connection);
    pool.discard(other, ABANDONED);
    expect(pool.take(GET, undefined)?.connection).toBe(one.connection);
    expect([world.dials.length, pool.active]).toEqual([1, 2]);
  });

  it("goes on when one of its requests is aborted, which gets the reason", async () => {
    const { world, connections, pool } = startWorld(10);
    const [one] = [await world.take(), await world.take()];
    pool.discard(one, { kind: "time_limit", limit: "route" });
    expect(connections).toMatchObject([{ isClosed: false, streams: 1, aborted: [{ kind: "time_limit" }] }]);
  });

  it("is idle, and closed after the idle timeout, only without any request", async () => {
    const { world, connections, pool } = startWorld(10);
    const [one, other] = [await world.take(), await world.take()];
    pool.release(one);
    await world.clock.advance(IDLE_MS * 3);
    expect(connections[0]?.isClosed).toBe(false);
    pool.release(other);
    await world.clock.advance(IDLE_MS * 0.5);
    expect(connections[0]?.isClosed).toBe(false);
    await world.clock.advance(IDLE_MS);
    expect([connections[0]?.isClosed, pool.size, world.deadlines.size]).toEqual([true, 0, 0]);
  });

  it("is counted once among the idle ones, however many requests it had", async () => {
    const { world, connections, pool } = startWorld(10, { maxIdle: 1 });
    for (let round = 0; round < 3; round += 1) {
      const taken = [await world.take(), await world.take(), await world.take()];
      for (const one of taken) pool.release(one);
    }
    expect(connections).toMatchObject([{ isClosed: false }]);
    connections[0]?.close();
    pool.release(await world.take());
    expect(connections).toMatchObject([{ isClosed: true }, { isClosed: false }]);
  });

  it("that would not be dialled the same way now gets no new request, and is closed after its last", async () => {
    const { world, connections, pool } = startWorld(10);
    const [one, other] = [await world.take(), await world.take()];
    world.generation += 1;
    expect((await world.take()).connection).not.toBe(one.connection);
    pool.release(one);
    expect(connections[0]?.isClosed).toBe(false);
    pool.release(other);
    expect(connections).toMatchObject([{ isClosed: true }, { isClosed: false }]);
  });

  it("whose server asks its clients to leave is avoided, and closed after its last request", async () => {
    const { world, connections, pool } = startWorld(10, { endpoints: 2 });
    const one = await world.take();
    const other = pool.take(GET, new Set(["10.0.0.2:80"]));
    const [connection] = connections;
    if (connection === undefined || other === undefined) throw new Error("no connection");
    connection.isLeaving = true;
    pool.release(one);
    expect((await world.take()).endpoint.ip).not.toBe(one.endpoint.ip);
    pool.release(other);
    expect(connection.isClosed).toBe(true);
  });

  it("that ends leaves nothing behind, with requests in progress", async () => {
    const { world, connections, pool } = startWorld(10);
    const taken = [await world.take(), await world.take()];
    connections[0]?.close();
    for (const one of taken) pool.discard(one, ABANDONED);
    expect([pool.size, pool.active, world.deadlines.size, world.timesEmpty]).toEqual([0, 0, 0, 1]);
    expect(pool.take(GET, undefined)).toBeUndefined();
    expect((await world.take()).endpoint.ip).toBe(address(1).ip);
  });
});
