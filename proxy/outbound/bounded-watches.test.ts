import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { Destination, DestinationTarget, MeshDestination } from "../../mesh/policy/types.ts";
import { BoundedWatches } from "./bounded-watches.ts";
import { DEFAULT_WATCH_LIMITS, type WatchLimits } from "./watch-limits.ts";

const PASSTHROUGH: Destination = { kind: "passthrough" };
const MESH: MeshDestination = {
  kind: "mesh",
  host: "world.ns2.svc.cluster.local",
  port: 80,
  subset: "",
  protocol: undefined,
  sni: "",
  identities: [],
  tlsRule: "",
  endpoints: [],
  service: undefined,
  routes: [],
};

function setup(limits: WatchLimits) {
  const clock = new FakeClock();
  const streams = new Map<number, (destination: Destination) => void>();
  let most = 0;
  let asked = 0;
  const watches = new BoundedWatches(
    ({ port }, listener) => {
      asked += 1;
      streams.set(port, listener);
      most = Math.max(most, streams.size);
      return { close: () => void streams.delete(port) };
    },
    clock,
    limits,
  );
  const heard: [number, Destination["kind"]][] = [];
  return {
    clock,
    heard,
    open: (port: number, isInUse = true) => {
      const target: DestinationTarget = { kind: "address", ip: "192.0.2.1", port };
      const listener = ({ kind }: Destination) => void heard.push([port, kind]);
      return watches.open({ target, listener, isInUse: () => isInUse });
    },
    answer: (port: number, destination: Destination) => streams.get(port)?.(destination),
    ports: () => [...streams.keys()],
    most: () => most,
    asked: () => asked,
  };
}

/** The given number of destinations in use, with the response of a control plane that answers at once. */
function setupInUse(count: number) {
  const clock = new FakeClock();
  const current = new Map<number, Destination>();
  const heard: number[] = [];
  const queries: number[] = [];
  let areInUse = true;
  const state = { open: 0, most: 0 };
  const watches = new BoundedWatches(({ port }, listener) => {
    queries.push(port);
    state.open += 1;
    state.most = Math.max(state.most, state.open);
    listener(current.get(port) ?? MESH);
    return {
      close: () => {
        state.open -= 1;
      },
    };
  }, clock);
  const opened = Array.from({ length: count }, (_, port) =>
    watches.open({
      target: { kind: "address", ip: "192.0.2.1", port },
      listener: () => void heard.push(port),
      isInUse: () => areInUse,
    }),
  );
  return {
    ...{ clock, current, heard, queries, opened, state },
    release: () => {
      areInUse = false;
    },
    /** Queries in the next time span. */
    async countQueries(spanMs: number): Promise<number> {
      const before = queries.length;
      await clock.advance(spanMs);
      return queries.length - before;
    },
  };
}

describe("many destinations in use", () => {
  it("each have a stream while there are no more than the limit, and no timer runs", async () => {
    const { clock, state, queries } = setupInUse(DEFAULT_WATCH_LIMITS.mesh);
    expect(state.open).toBe(DEFAULT_WATCH_LIMITS.mesh);
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(60_000);
    expect(queries.length).toBe(DEFAULT_WATCH_LIMITS.mesh);
  });

  it("cost a few queries a second beyond the limit while nothing changes", async () => {
    const { clock, countQueries, state } = setupInUse(600);
    await clock.advance(5000);
    expect(await countQueries(10_000)).toBeLessThanOrEqual(44);
    expect(state.most).toBeLessThanOrEqual(DEFAULT_WATCH_LIMITS.mesh + 1);
  });

  it("are queried quickly while responses differ, and slowly again afterwards", async () => {
    const { clock, current, heard, countQueries } = setupInUse(600);
    await clock.advance(10_000);
    for (let port = 0; port < 600; port += 1) current.set(port, { ...MESH, subset: "v2" });
    heard.length = 0;
    await clock.advance(4000);
    expect(new Set(heard).size).toBeGreaterThanOrEqual(600 - DEFAULT_WATCH_LIMITS.mesh);
    await clock.advance(60_000);
    expect(await countQueries(10_000)).toBeLessThanOrEqual(44);
  });

  it("are not queried, and wake no timer, once none is in use", async () => {
    const { clock, release, countQueries } = setupInUse(600);
    release();
    await clock.advance(2000);
    expect(clock.pendingTimers).toBe(0);
    expect(await countQueries(60_000)).toBe(0);
  });

  it("are renewed by use: the first at once, others next in turn", async () => {
    const { clock, current, heard, opened, queries } = setupInUse(600);
    await clock.advance(10_000);
    const live = new Set(queries.slice(-DEFAULT_WATCH_LIMITS.mesh));
    const withoutStream = opened.map((_, port) => port).filter((port) => !live.has(port));
    const [first = -1, ...others] = withoutStream.slice(-3);
    for (const port of [first, ...others]) current.set(port, { ...MESH, subset: "v2" });
    heard.length = 0;
    for (const port of [first, ...others]) opened[port]?.use();
    expect(heard).toEqual([first]);
    await clock.advance(1000);
    expect(heard).toEqual([first, ...others]);
  });

  it("cost no more than a few queries a second when each is used all the time", async () => {
    const { clock, opened, queries } = setupInUse(600);
    await clock.advance(10_000);
    const before = queries.length;
    for (let turn = 0; turn < 100; turn += 1) {
      for (const watch of opened) watch.use();
      await clock.advance(100);
    }
    expect(queries.length - before).toBeLessThanOrEqual(90);
  });
});

it("thousands of addresses cost no more streams than the limits, and each gets a response", () => {
  const { open, answer, heard, ports, most } = setup({ asking: 8, mesh: 10, outside: 4 });
  for (let port = 1; port <= 3000; port += 1) open(port, false);
  expect(ports().length).toBe(8);
  while (heard.length < 3000) for (const port of ports()) answer(port, PASSTHROUGH);
  expect(new Set(heard.map(([port]) => port)).size).toBe(3000);
  expect(most()).toBeLessThanOrEqual(8 + 4 + 1);
  expect(ports()).toEqual([2997, 2998, 2999, 3000]);
});

it("addresses outside the mesh do not displace the mesh's destinations", () => {
  const { open, answer, ports } = setup({ asking: 8, mesh: 2, outside: 2 });
  open(1);
  answer(1, MESH);
  for (let port = 2; port <= 20; port += 1) {
    open(port);
    answer(port, PASSTHROUGH);
  }
  expect(ports()).toEqual([1, 19, 20]);
});

it("a recently used stream is kept rather than an older one", () => {
  const { open, answer, ports } = setup({ asking: 8, mesh: 2, outside: 2 });
  const first = open(1);
  answer(1, MESH);
  open(2);
  answer(2, MESH);
  expect(first.renew()).toBeUndefined();
  open(3);
  answer(3, MESH);
  expect(ports()).toEqual([1, 3]);
});

it("an entry without a stream is queried again when it is used, and only a different response is reported", async () => {
  const { open, answer, heard, ports } = setup({ asking: 8, mesh: 2, outside: 1 });
  const first = open(1);
  answer(1, PASSTHROUGH);
  open(2);
  answer(2, PASSTHROUGH);
  expect(ports()).toEqual([2]);
  const renewed = first.renew();
  expect(ports()).toEqual([2, 1]);
  answer(1, PASSTHROUGH);
  await renewed;
  expect(heard).toEqual([
    [1, "passthrough"],
    [2, "passthrough"],
  ]);
  answer(1, MESH);
  expect(heard.at(-1)).toEqual([1, "mesh"]);
});

it("entries in use are queried again in turn, so that a change reaches them", async () => {
  const { clock, open, answer, heard, ports } = setup({ asking: 8, mesh: 2, outside: 1 });
  for (const port of [1, 2, 3]) {
    open(port);
    answer(port, PASSTHROUGH);
  }
  for (let turn = 0; turn < 6; turn += 1) {
    await clock.advance(50);
    for (const port of ports()) answer(port, port === 1 ? MESH : PASSTHROUGH);
  }
  expect(heard).toContainEqual([1, "mesh"]);
});

it("unused entries are not queried", async () => {
  const { clock, open, answer, ports, asked } = setup({ asking: 8, mesh: 2, outside: 1 });
  for (const port of [1, 2, 3]) {
    open(port, false);
    answer(port, PASSTHROUGH);
  }
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(1000);
  expect(ports()).toEqual([3]);
  expect(asked()).toBe(3);
});

it("a repeated query without a response gives its place to the next, and keeps its last response", async () => {
  const { clock, open, answer, ports } = setup({ asking: 1, mesh: 2, outside: 1 });
  const first = open(1, false);
  answer(1, PASSTHROUGH);
  open(2, false);
  answer(2, PASSTHROUGH);
  const renewed = first.renew();
  open(3, false);
  expect(ports()).toEqual([2, 1]);
  await clock.advance(6000);
  await renewed;
  expect(ports()).toEqual([2, 3]);
});

it("closing leaves no stream and no timer, and wakes all waiters", async () => {
  const { clock, open, answer, ports } = setup({ asking: 1, mesh: 2, outside: 1 });
  const watches = [1, 2, 3].map((port) => {
    const watch = open(port);
    answer(port, PASSTHROUGH);
    return watch;
  });
  const renewed = watches[0]?.renew();
  for (const watch of watches) watch.close();
  await renewed;
  expect(ports()).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
  expect(watches[0]?.renew()).toBeUndefined();
});
