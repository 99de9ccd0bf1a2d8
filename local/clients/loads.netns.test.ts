import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MAX_IDLE_PER_ENDPOINT } from "../../proxy/http/http-limits.ts";
import type { LocalPod } from "../pods/local-pod.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import type { AutocannonJob, AutocannonReport } from "./autocannon-program-fixture.ts";
import { type ClientMesh, readConnections, startClientMesh, untilServerIsKnown } from "./mesh-fixture.ts";
import { countRequests, expectedReport, type MixedJob, type MixedReport } from "./mixed-load-fixture.ts";
import { originOf, PORTS } from "./ports-fixture.ts";
import { countHandles, countToApplication, type Memory, openInspector, readMemory } from "./sidecar-process-fixture.ts";

/** The maximum number of concurrent requests of each load except wrk's. */
const AT_ONCE = 32;
const AMOUNT = 1500;

const WRK_CONNECTIONS = 8;
const HAS_WRK = spawnSync("wrk", ["--version"]).error === undefined;

/**
 * The allowed growth of the heap by a second mixed load of 1,000 requests, and by a second autocannon of 4,500: a leak of
 * 4 KB per request would be 4 MB and 18 MB.
 */
const HEAP_MB = { mixed: 2, autocannon: 1 };
/** The allowed growth of total memory by that autocannon; it varies with the allocator's cache. */
const PRIVATE_MB = 6;

let mesh: ClientMesh;
let sidecars: readonly LocalPod[];
let handles: readonly number[];

beforeAll(async () => {
  mesh = await startClientMesh();
  await untilServerIsKnown(mesh);
  sidecars = [mesh.client, mesh.server];
  await Promise.all(sidecars.map(openInspector));
  // What a sidecar opens once, at its first requests, is not what a load leaves behind.
  for (const port of [PORTS.http, PORTS.unnamed]) await runAutocannon(originOf(port), AT_ONCE);
  handles = await countAllHandles();
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

function countAllHandles(): Promise<readonly number[]> {
  return Promise.all(sidecars.map(countHandles));
}

/** Both sidecars have the same handles as before all loads. */
async function untilHandlesAreBack(): Promise<void> {
  await expect.poll(countAllHandles).toEqual(handles);
}

/**
 * Runs a load with this number of requests. What the server's sidecar counted as a stream is ignored: a connection that
 * was dialled in advance for HTTP and found no place in the pool is closed without a request.
 */
async function watchRequests<Report>(count: number, act: () => Promise<Report>): Promise<Report> {
  const { result, requests, streams } = await mesh.watch(act);
  expect({ requests, streams: streams.sent }).toEqual({ requests: { sent: count, received: count }, streams: 0 });
  return result;
}

/** The memory growth of both sidecars during an action. */
async function watchMemory(act: () => Promise<void>): Promise<readonly Memory[]> {
  const start = await Promise.all(sidecars.map(readMemory));
  await act();
  const end = await Promise.all(sidecars.map(readMemory));
  return end.map(({ heapMb, privateMb }, index) => ({
    heapMb: heapMb - (start[index]?.heapMb ?? 0),
    privateMb: privateMb - (start[index]?.privateMb ?? 0),
  }));
}

async function runAutocannon(origin: string, amount: number): Promise<void> {
  const job: AutocannonJob = { url: `${origin}/whole/autocannon`, connections: AT_ONCE, amount };
  const report = await watchRequests(amount, () =>
    mesh.runProgram<AutocannonReport>("autocannon-program-fixture.ts", job),
  );
  expect(report).toEqual({ statuses: { 200: amount }, failures: 0 } satisfies AutocannonReport);
}

async function runMixedLoad(origin: string): Promise<void> {
  const slowReaders = 10;
  const job: MixedJob = { origin, turns: 99, atOnce: AT_ONCE - slowReaders, slowReaders };
  const report = await watchRequests(countRequests(job), () =>
    mesh.runProgram<MixedReport>("mixed-program-fixture.ts", job),
  );
  expect(report).toEqual(expectedReport(job));
}

describe.each([
  { name: "a port named http-…", port: PORTS.http, mostKept: AT_ONCE },
  // The protocol is unknown when a client connects: each client causes a connection, which is kept afterwards.
  { name: "a port without a name", port: PORTS.unnamed, mostKept: MAX_IDLE_PER_ENDPOINT },
])("a load through two sidecars, on $name", ({ port, mostKept }) => {
  const origin = originOf(port);

  it("autocannon: all of 1,500 requests receive 200 and are counted", async () => {
    await runAutocannon(origin, AMOUNT);
    await untilHandlesAreBack();
  });

  it.skipIf(!HAS_WRK)(`wrk${HAS_WRK ? "" : " (is not installed)"}: no request fails, and all are counted`, async () => {
    const args = ["-t1", `-c${WRK_CONNECTIONS}`, "-d1s", "--timeout", "10s", `${origin}/whole/wrk`];
    const { result, requests } = await mesh.watch(() => mesh.run(["wrk", ...args]));
    expect(result.stdout).not.toMatch(/Socket errors|Non-2xx/);
    const completed = Number(/(\d+) requests in/.exec(result.stdout)?.[1]);
    expect(completed).toBeGreaterThan(0);
    // wrk aborts running requests at its end.
    expect(requests.received).toBeGreaterThanOrEqual(completed);
    expect(requests.sent).toBeGreaterThanOrEqual(requests.received);
    expect(requests.sent).toBeLessThanOrEqual(completed + WRK_CONNECTIONS);
    await untilHandlesAreBack();
  });

  it("1,000 requests of all kinds, with clients that abort and clients that read slowly", async () => {
    await runMixedLoad(origin);
    await untilHandlesAreBack();
  });

  it(`at most ${mostKept} connections are kept between the sidecars`, async () => {
    const kept = await readConnections(mesh.client);
    expect(kept.filter(({ endpoint }) => endpoint.endsWith(`:${port.number}`)).length).toBeLessThanOrEqual(mostKept);
  });

  it("autocannon again, with three times as many requests: memory does not grow", async () => {
    const grown = await watchMemory(() => runAutocannon(origin, 3 * AMOUNT));
    expect(Math.max(...grown.map(({ heapMb }) => heapMb))).toBeLessThan(HEAP_MB.autocannon);
    expect(Math.max(...grown.map(({ privateMb }) => privateMb))).toBeLessThan(PRIVATE_MB);
    await untilHandlesAreBack();
  });

  it("requests of all kinds again: the heap does not grow", async () => {
    const grown = await watchMemory(() => runMixedLoad(origin));
    expect(Math.max(...grown.map(({ heapMb }) => heapMb))).toBeLessThan(HEAP_MB.mixed);
    await untilHandlesAreBack();
  });
});

it("idle connections to the application are closed", async () => {
  await expect.poll(() => countToApplication(mesh.server), { interval: 50 }).toBe(0);
  await untilHandlesAreBack();
});
