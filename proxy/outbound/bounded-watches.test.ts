import { expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { Destination, DestinationTarget, MeshDestination } from "../../mesh/policy/types.ts";
import { BoundedWatches, type WatchLimits } from "./bounded-watches.ts";

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
  await clock.advance(5051);
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
