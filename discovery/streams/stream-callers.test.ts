import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PeerContext } from "../../mesh/api/peer-context.ts";
import { verifiedPeer } from "../../mesh/api/peer-fixture.ts";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { codeOf, DiscoveryFixture, HELLO, HOUR_MS, pod, policy } from "../discovery-fixture.ts";

let mesh: DiscoveryFixture;

beforeEach(() => {
  mesh = new DiscoveryFixture();
});

afterEach(() => {
  mesh.calls.abort();
});

const BUNDLE = { kind: "trust bundle" } as const;
const INBOUND = { kind: "inbound" } as const;

describe("callers", () => {
  const other = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/other");
  const abroad = parseSpiffeId("spiffe://cluster.local/ns/ns2/sa/hello");
  const address = "10.0.0.7";
  const later = Date.parse("2031-01-01T00:00:00Z");
  const earlier = Date.parse("2029-01-01T00:00:00Z");

  it.each<{ name: string; peer: PeerContext; code: Code }>([
    { name: "without a certificate", peer: { kind: "anonymous", reason: "none", address }, code: Code.Unauthenticated },
    {
      name: "whose certificate has expired",
      peer: verifiedPeer({ identity: HELLO, notAfterMs: earlier, address }),
      code: Code.Unauthenticated,
    },
    {
      name: "of another service account",
      peer: verifiedPeer({ identity: other, notAfterMs: later, address }),
      code: Code.PermissionDenied,
    },
    {
      name: "of another namespace",
      peer: verifiedPeer({ identity: abroad, notAfterMs: later, address }),
      code: Code.PermissionDenied,
    },
  ])("$name are refused", async ({ peer, code }) => {
    expect(await codeOf(mesh.proxy({ peer }).identify().subscribe(1, BUNDLE).response())).toBe(code);
  });

  it.each([
    { name: "no pod", request: {} },
    { name: "a pod without a name", request: { proxy: { workload: { namespace: "ns1", name: "" } } } },
    {
      name: "a pod with an endless name",
      request: { proxy: { workload: { namespace: "ns1", name: "a".repeat(300) } } },
    },
    {
      name: "a pod with a name that would change a terminal",
      request: { proxy: { workload: { namespace: "ns1", name: "a\u001b[2J\nweb-0" } } },
    },
  ])("that name $name are refused", async ({ request }) => {
    expect(await codeOf(mesh.proxy().send(request).response())).toBe(Code.InvalidArgument);
  });

  it("that send nothing are cut off, and leave nothing behind", async () => {
    const end = codeOf(mesh.proxy({ discovery: mesh.start({ firstRequestMs: 5000 }) }).response());
    await mesh.clock.advance(5001);
    expect(await end).toBe(Code.DeadlineExceeded);
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  it("are cut off when their certificate expires", async () => {
    const proxy = mesh.proxy().identify().subscribe(1, INBOUND);
    await proxy.inbound();
    const end = codeOf(proxy.response());
    await mesh.clock.advance(HOUR_MS);
    expect(await end).toBe(Code.Unauthenticated);
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  it("are disconnected when the control plane stops, and the sources have no listeners left", async () => {
    const discovery = mesh.start();
    const proxy = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND);
    await proxy.inbound();
    mesh.shutdown.abort();
    expect(await codeOf(proxy.response())).toBe(Code.Unavailable);
    await settlePromises();
    const { source, roots, settings, clock } = mesh;
    expect([source.listeners, roots.listeners, settings.listeners, clock.pendingTimers]).toEqual([0, 0, 0, 0]);
    expect(await codeOf(mesh.proxy({ discovery }).identify().response())).toBe(Code.Unavailable);
  });

  it("that end their side of the stream end the stream", async () => {
    const discovery = mesh.start();
    const proxy = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND);
    await proxy.inbound();
    proxy.end();
    await expect(proxy.response()).rejects.toThrow("the stream ended");
    await settlePromises();
    expect(discovery.status()).toEqual([]);
  });
});

describe("limits", () => {
  it("bound the streams of one pod at one address: the oldest ends", async () => {
    const discovery = mesh.start({ perPod: 2 });
    const open = async () => {
      const proxy = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND);
      await proxy.inbound();
      return proxy;
    };
    const first = await open();
    const second = await open();
    await open();
    expect(await codeOf(first.response())).toBe(Code.Aborted);
    await settlePromises();
    expect(discovery.status()).toHaveLength(2);
    mesh.source.change(pod, policy("DISABLE"));
    expect((await second.inbound()).defaultMode.mode).toBe("DISABLE");
  });

  it("bound the streams for unknown pods of one identity", async () => {
    const discovery = mesh.start({ waitingPerIdentity: 1 });
    const open = (name: string, signal?: AbortSignal) =>
      mesh
        .proxy({ discovery, ...(signal && { signal }) })
        .identify({ namespace: "ns1", name })
        .subscribe(1, INBOUND);
    const leaving = new AbortController();
    const waiting = codeOf(open("a", leaving.signal).response());
    await mesh.log.seen("waiting for a pod");
    expect(await codeOf(open("b").response())).toBe(Code.ResourceExhausted);
    leaving.abort();
    expect(await waiting).toBe(Code.Canceled);
    await settlePromises();
    void codeOf(open("c").response());
    await settlePromises();
    expect(mesh.log.find("waiting for a pod").map(({ fields }) => fields["pod"])).toEqual(["ns1/a", "ns1/c"]);
  });

  it("release the slot of a waiting stream when its pod becomes known", async () => {
    const documents = mesh.source;
    documents.change();
    const discovery = mesh.start({ waitingPerIdentity: 1 });
    const waiting = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND);
    const first = waiting.inbound();
    await mesh.log.seen("waiting for a pod");
    documents.change(pod);
    await first;
    void codeOf(mesh.proxy({ discovery }).identify({ namespace: "ns1", name: "new" }).subscribe(1, INBOUND).response());
    await settlePromises();
    expect(mesh.log.find("waiting for a pod")).toHaveLength(2);
  });

  it("bound the log lines of a caller that keeps requesting new pods", async () => {
    mesh.maxLines = 2;
    const discovery = mesh.start();
    for (const name of ["a", "b", "c"]) {
      const leaving = new AbortController();
      const proxy = mesh.proxy({ discovery, signal: leaving.signal }).identify({ namespace: "ns1", name });
      const end = codeOf(proxy.subscribe(1, INBOUND).response());
      await settlePromises();
      leaving.abort();
      expect(await end).toBe(Code.Canceled);
    }
    expect(mesh.log.find("waiting for a pod").map(({ fields }) => fields["pod"])).toEqual(["ns1/a", "ns1/b"]);
  });

  it("bound the streams of one address, whichever pods it names", async () => {
    const discovery = mesh.start({ perCaller: 1 });
    await mesh.proxy({ discovery }).identify().subscribe(1, INBOUND).inbound();
    expect(await codeOf(mesh.proxy({ discovery }).identify().response())).toBe(Code.ResourceExhausted);
    const notAfterMs = mesh.clock.now() + HOUR_MS;
    const peer = verifiedPeer({ identity: HELLO, notAfterMs, address: "10.0.0.8" });
    expect((await mesh.proxy({ discovery, peer }).identify().subscribe(1, BUNDLE).trustBundle()).roots).toEqual([
      "root one",
    ]);
  });

  it("bound the subscriptions of a stream: one more has a fault, and the others go on", async () => {
    const proxy = mesh.proxy({ discovery: mesh.start({ subscriptionsPerStream: 1 }) }).identify();
    await proxy.subscribe(1, INBOUND).inbound();
    expect((await proxy.subscribe(2, BUNDLE).update()).result).toMatchObject({
      case: "fault",
      value: expect.stringContaining("the limit"),
    });
    proxy.send({ unsubscribe: [1] });
    expect((await proxy.subscribe(3, BUNDLE).trustBundle()).roots).toEqual(["root one"]);
  });

  it("bound the subscriptions of a caller in all of its streams, until one is closed or has ended", async () => {
    const discovery = mesh.start({ subscriptionsPerCaller: 2 });
    const proxy = mesh.proxy({ discovery }).identify();
    await proxy.subscribe(1, INBOUND).inbound();
    const other = mesh.proxy({ discovery }).identify();
    await other.subscribe(1, BUNDLE).trustBundle();
    const fault = { case: "fault", value: expect.stringContaining("as many subscriptions as they may") };
    expect((await proxy.subscribe(2, BUNDLE).update()).result).toMatchObject(fault);
    proxy.send({ unsubscribe: [1] });
    await proxy.subscribe(2, BUNDLE).trustBundle();
    expect((await proxy.subscribe(3, BUNDLE).update()).result).toMatchObject(fault);
    other.end();
    await expect(other.response()).rejects.toThrow("the stream ended");
    await proxy.subscribe(4, BUNDLE).trustBundle();
    const peer = verifiedPeer({ identity: HELLO, notAfterMs: mesh.clock.now() + HOUR_MS, address: "10.0.0.8" });
    await mesh.proxy({ discovery, peer }).identify().subscribe(1, BUNDLE).trustBundle();
  });

  it.each([
    { name: "the requests", request: undefined, requestBurst: 4 },
    { name: "what a request unsubscribes from", request: { unsubscribe: [7, 8, 9] }, requestBurst: 8 },
  ])("count $name of a caller, and read what is above its rate later, over all of its streams", async (flood) => {
    const discovery = mesh.start({ requestBurst: flood.requestBurst, requestsPerSecond: 1 });
    const proxy = mesh.proxy({ discovery }).identify();
    if (flood.request !== undefined) proxy.send(flood.request);
    await proxy.subscribe(1, INBOUND).inbound();
    const other = mesh.proxy({ discovery }).identify().subscribe(1, BUNDLE);
    let isServed = false;
    const served = other.trustBundle().then(() => {
      isServed = true;
    });
    await mesh.clock.advance(1500);
    expect(isServed).toBe(false);
    await mesh.clock.advance(1000);
    await served;
  });
});
