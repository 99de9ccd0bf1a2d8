import { afterEach, describe, expect, it } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesObject } from "../kubernetes-api.ts";
import type { Fault, FaultTarget } from "../test-server/serving/faults.ts";
import { startTestApiServer, type TestApiServer } from "../test-server/test-api-server-fixture.ts";
import { withoutManagedFields } from "./object-store.ts";
import { type Reflector, startReflector } from "./reflector.ts";
import { podNamed } from "./reflector-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const { pods } = KINDS;

/** A reflector of the shipped client over TLS, without waits between attempts. */
class Follower {
  readonly server: TestApiServer;
  readonly reflector: Reflector<KubernetesObject>;
  readonly #waiting = new Set<() => void>();

  constructor(server: TestApiServer, silenceMs: number) {
    this.server = server;
    const stop = new AbortController();
    cleanup.add(() => stop.abort());
    const wake = (): void => {
      for (const check of this.#waiting) check();
    };
    const clock = startFastClock(cleanup);
    const client = server.client(server.adminToken, { timeoutMs: 1000, clock });
    this.reflector = startReflector(
      { api: client, clock, random: () => 0.02, log: new RecordingLogger() },
      {
        selection: { kind: pods },
        transform: withoutManagedFields,
        onChanges: wake,
        onStatus: wake,
        batchMs: 1,
        silenceMs,
        signal: stop.signal,
      },
    );
  }

  /** Resolves when the reflector is current and knows exactly these pods. */
  async knows(...names: readonly string[]): Promise<void> {
    const isReached = (): boolean =>
      [...this.reflector.objects.keys()].sort().join() === names.map((name) => `default/${name}`).join() &&
      this.reflector.status().kind === "current";
    if (isReached()) return;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!isReached()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }
}

async function follow({ silenceMs = 60_000, bookmarkMs = 60_000 } = {}): Promise<Follower> {
  const server = await startTestApiServer(cleanup, { bookmarkMs });
  server.cluster.create(pods, podNamed("a"));
  const follower = new Follower(server, silenceMs);
  await follower.knows("a");
  return follower;
}

describe("a reflector over TLS", () => {
  it("catches up after the server was away, through the same client", async () => {
    const follower = await follow();
    const { server } = follower;
    await server.away();
    server.cluster.delete(pods, { namespace: "default", name: "a" });
    server.cluster.create(pods, podNamed("b"));
    expect([...follower.reflector.objects.keys()]).toEqual(["default/a"]);
    await server.back();
    await follower.knows("b");
  });

  it("takes over a server that was restored from an older backup", async () => {
    const follower = await follow();
    const { server } = follower;
    const backup = server.cluster.history.backup();
    server.cluster.create(pods, podNamed("lost"));
    await follower.knows("a", "lost");
    await server.restore(backup);
    server.cluster.create(pods, podNamed("b"));
    await follower.knows("a", "b");
    server.cluster.create(pods, podNamed("c"));
    await follower.knows("a", "b", "c");
  });

  it.each<{ readonly name: string; readonly fault: Fault; readonly target: FaultTarget }>([
    { name: "lists that are garbage", fault: { kind: "garbage" }, target: { verb: "list" } },
    { name: "lists that are half a JSON", fault: { kind: "half-json" }, target: { verb: "list" } },
    { name: "lists that are cut", fault: { kind: "cut" }, target: { verb: "list" } },
    { name: "lists that hang", fault: { kind: "hang" }, target: { verb: "list" } },
    { name: "watches that are garbage", fault: { kind: "garbage" }, target: { verb: "watch" } },
    { name: "watches that hang", fault: { kind: "hang" }, target: { verb: "watch" } },
    {
      name: "watches that are refused",
      fault: { kind: "status", status: 500, reason: "InternalError" },
      target: { verb: "watch" },
    },
    {
      name: "a server that limits its load",
      fault: { kind: "status", status: 429, reason: "TooManyRequests", retryAfterSeconds: 1 },
      target: { resource: "pods" },
    },
  ])("keeps its state through $name, and catches up", async ({ fault, target }) => {
    const follower = await follow();
    const { server, reflector } = follower;
    for (const watch of server.watches) watch.mute();
    server.cluster.create(pods, podNamed("b"));
    // The version is too old to resume: a list has to find the pod.
    server.cluster.history.compact();
    server.faults.add(fault, target, 2);
    for (const watch of server.watches) watch.cut();
    expect([...reflector.objects.keys()]).toEqual(["default/a"]);
    await follower.knows("a", "b");
  });

  it("replaces a watch that says nothing", async () => {
    const follower = await follow({ silenceMs: 3000, bookmarkMs: 50 });
    const { server } = follower;
    for (const watch of server.watches) watch.mute();
    server.cluster.create(pods, podNamed("b"));
    await follower.knows("a", "b");
  });

  it("is not disturbed by an object of 1.5 MB, in a list or an event", async () => {
    const follower = await follow();
    const { server } = follower;
    const big = { ...podNamed("big"), spec: { note: "é".repeat(750_000) } };
    server.cluster.create(pods, big);
    await follower.knows("a", "big");
    const second = new Follower(server, 60_000);
    await second.knows("a", "big");
    expect(second.reflector.objects.get("default/big")?.["spec"]).toEqual(big.spec);
  });
});
