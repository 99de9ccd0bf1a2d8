import { afterEach, describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { KINDS } from "../kinds.ts";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import type { OpenWatch } from "../test-server/watch-feed.ts";
import { podNamed, ReflectorHarness } from "./reflector-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const { pods } = KINDS;
function harnessWith(...names: readonly string[]): ReflectorHarness {
  const harness = new ReflectorHarness(cleanup);
  for (const name of names) harness.cluster.create(pods, podNamed(name));
  return harness;
}

describe("a reflector", () => {
  it("delivers all pages of the list in one batch, then each change", async () => {
    const names = Array.from({ length: 1200 }, (_, index) => `pod-${String(index).padStart(4, "0")}`);
    const harness = harnessWith(...names);
    const batches: number[] = [];
    const reflector = await harness.start(pods, { onChanges: (changes) => batches.push(changes.length) });
    await reflector.synced;
    expect([batches, reflector.hasSynced, reflector.objects.size]).toEqual([[1200], true, 1200]);
    expect(harness.takeCalls()).toEqual(["list pods", "list pods", "list pods", "watch pods"]);
    expect(reflector.status().kind).toBe("current");
    harness.cluster.create(pods, podNamed("new"));
    harness.cluster.delete(pods, { namespace: "default", name: "pod-0000" });
    await harness.clock.advance(10);
    expect(batches).toEqual([1200, 2]);
    expect(reflector.objects.has("default/pod-0000")).toBe(false);
  });

  it("resumes where an ended watch stopped, by bookmark too, without a list", async () => {
    const harness = harnessWith("a");
    await harness.start();
    harness.cluster.create(KINDS.services, {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "s", namespace: "default" },
    });
    harness.watch().bookmark();
    await harness.clock.advance(2000);
    harness.takeCalls();
    harness.watch().end();
    await settlePromises();
    expect(harness.takeCalls()).toEqual(["check pods", "watch pods"]);
    expect(harness.watch().resourceVersion).toBe(String(harness.cluster.history.revision));
  });

  it("misses nothing that happens between two watches", async () => {
    const harness = harnessWith("a", "b");
    await harness.start();
    await harness.takeChanges();
    await harness.clock.advance(2000);
    harness.watch().cut();
    harness.cluster.create(pods, podNamed("c"));
    harness.cluster.delete(pods, { namespace: "default", name: "a" });
    await settlePromises();
    expect(await harness.takeChanges()).toEqual(["+default/c", "-default/a"]);
  });

  it.each([
    { name: "as the watch's HTTP status", expire: (open: OpenWatch) => open.end() },
    {
      name: "as an ERROR event",
      expire: (open: OpenWatch) => open.fail({ kind: "Status", code: 410, reason: "Expired" }),
    },
  ])("lists again when its version expires $name; deletions are found and nothing is emptied", async ({ expire }) => {
    const harness = harnessWith("a", "b");
    const reflector = await harness.start();
    await harness.takeChanges();
    await harness.clock.advance(2000);
    const sizes: number[] = [];
    harness.beforeCall = () => sizes.push(reflector.objects.size);
    const open = harness.watch();
    open.mute();
    harness.cluster.delete(pods, { namespace: "default", name: "a" });
    harness.cluster.create(pods, podNamed("c"));
    harness.cluster.history.compact();
    expire(open);
    await settlePromises();
    expect(harness.takeCalls().at(-2)).toBe("list pods");
    expect(await harness.takeChanges()).toEqual(["-default/a", "+default/c"]);
    expect(Math.min(...sizes)).toBe(2);
  });

  it("begins the list again when its continue token expires", async () => {
    const names = Array.from({ length: 600 }, (_, index) => `pod-${index}`);
    const harness = harnessWith(...names);
    let lists = 0;
    harness.beforeCall = ({ verb }) => {
      if (verb === "list") lists += 1;
      if (lists === 2) harness.cluster.expireContinueTokens();
    };
    const reflector = await harness.start();
    expect(reflector.objects.size).toBe(600);
    expect(harness.takeCalls()).toEqual([...Array(4).fill("list pods"), "watch pods"]);
  });

  it("requests the list whole when every token expires", async () => {
    const names = Array.from({ length: 600 }, (_, index) => `pod-${index}`);
    const harness = harnessWith(...names);
    harness.beforeCall = () => harness.cluster.expireContinueTokens();
    const reflector = await harness.start();
    expect(reflector.objects.size).toBe(600);
    expect(harness.takeCalls()).toEqual([...Array(7).fill("list pods"), "watch pods"]);
  });

  it("requests smaller pages when one is too large", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `pod-${index}`);
    const harness = harnessWith(...names);
    let lists = 0;
    harness.beforeCall = ({ verb }) => {
      lists += verb === "list" ? 1 : 0;
      if (lists === 1 && verb === "list") throw new KubernetesApiError("api_response_too_large", "too large");
    };
    const reflector = await harness.start();
    expect(reflector.objects.size).toBe(300);
    expect(lists).toBe(1 + Math.ceil(300 / 125));
  });

  it("finds by its resync what no watch has said", async () => {
    const harness = harnessWith("a", "b");
    const reflector = await harness.start(pods, { resyncMs: 60_000 });
    await harness.takeChanges();
    harness.watch().mute();
    harness.cluster.delete(pods, { namespace: "default", name: "a" });
    await harness.clock.advance(90_000);
    harness.watch().end();
    await settlePromises();
    expect(await harness.takeChanges()).toEqual(["-default/a"]);
    expect([...reflector.objects.keys()]).toEqual(["default/b"]);
  });
});

describe("a consumer that throws", () => {
  it("is reported, and the reflector goes on", async () => {
    const harness = harnessWith("a");
    const reflector = await harness.start(pods, {
      onChanges: () => {
        throw new TypeError("the consumer has a bug");
      },
    });
    await harness.log.seen("the consumer has a bug");
    harness.cluster.create(pods, podNamed("b"));
    await harness.clock.advance(10);
    expect([...reflector.objects.keys()]).toEqual(["default/a", "default/b"]);
  });
});

it("a reflector that is stopped delivers nothing more and holds no timer", async () => {
  const harness = harnessWith("a");
  await harness.start();
  await harness.takeChanges();
  harness.cluster.create(pods, podNamed("b"));
  await settlePromises();
  await cleanup.run();
  expect(await harness.takeChanges()).toEqual([]);
  expect([harness.clock.pendingTimers, harness.api.watches.size]).toEqual([0, 0]);
});
