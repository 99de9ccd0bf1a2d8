import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PeerContext } from "../mesh/api/peer-context.ts";
import { settlePromises } from "../mesh/fake-clock-fixture.ts";
import { parseSpiffeId } from "../mesh/identity/spiffe-id.ts";
import { codeOf, DiscoveryFixture, HELLO, HOUR_MS, read, workload } from "./discovery-fixture.ts";

let mesh: DiscoveryFixture;

beforeEach(() => {
  mesh = new DiscoveryFixture();
});

afterEach(() => {
  mesh.calls.abort();
});

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
      peer: { kind: "verified", identity: HELLO, notAfterMs: earlier, address },
      code: Code.Unauthenticated,
    },
    {
      name: "of another service account",
      peer: { kind: "verified", identity: other, notAfterMs: later, address },
      code: Code.PermissionDenied,
    },
    {
      name: "of another namespace",
      peer: { kind: "verified", identity: abroad, notAfterMs: later, address },
      code: Code.PermissionDenied,
    },
  ])("$name are refused", async ({ peer, code }) => {
    const target = { case: "address", value: { ip: "10.1.0.1", port: 80 } } as const;
    expect(await codeOf(read(mesh.client({ peer }).watchInbound({ workload }))())).toBe(code);
    expect(await codeOf(read(mesh.client({ peer }).watchGateway({ workload }))())).toBe(code);
    expect(await codeOf(read(mesh.client({ peer }).watchDestination({ workload, target }))())).toBe(code);
    if (code === Code.Unauthenticated)
      expect(await codeOf(read(mesh.client({ peer }).watchTrustBundle({}))())).toBe(code);
  });

  it("that name no pod are refused", async () => {
    expect(await codeOf(read(mesh.client().watchInbound({}))())).toBe(Code.InvalidArgument);
  });

  it("are cut off when their certificate expires", async () => {
    const next = read(mesh.client().watchInbound({ workload }, { signal: mesh.calls.signal }));
    await next();
    const end = codeOf(next());
    await mesh.clock.advance(HOUR_MS);
    expect(await end).toBe(Code.Unauthenticated);
    expect(mesh.clock.pendingTimers).toBe(0);
  });

  it("are disconnected when the control plane stops, and the sources have no listeners left", async () => {
    const next = read(mesh.client().watchInbound({ workload }, { signal: mesh.calls.signal }));
    await next();
    mesh.shutdown.abort();
    expect(await codeOf(next())).toBe(Code.Unavailable);
    expect([mesh.source.listeners, mesh.roots.listeners, mesh.clock.pendingTimers]).toEqual([0, 0, 0]);
    expect(await codeOf(read(mesh.client().watchInbound({ workload }))())).toBe(Code.Unavailable);
  });
});

describe("limits", () => {
  it("bound the open streams of one pod", async () => {
    const client = mesh.client({ limits: { perPod: 2 } });
    const closing = new AbortController();
    await read(client.watchInbound({ workload }, { signal: mesh.calls.signal }))();
    const second = read(client.watchInbound({ workload }, { signal: closing.signal }));
    await second();
    expect(await codeOf(read(client.watchInbound({ workload }))())).toBe(Code.ResourceExhausted);
    const closed = codeOf(second());
    closing.abort();
    await closed;
    await settlePromises();
    expect((await read(client.watchInbound({ workload }, { signal: mesh.calls.signal }))()).workload?.pod).toBe(
      "hello-1",
    );
  });

  it("bound the streams for unknown pods", async () => {
    const client = mesh.client({ limits: { waitingPerIdentity: 1 } });
    const ref = (name: string) => ({ workload: { namespace: "ns1", name } });
    const waiting = read(client.watchInbound(ref("a"), { signal: mesh.calls.signal }))();
    await mesh.log.seen("waiting for a pod");
    expect(await codeOf(read(client.watchInbound(ref("b")))())).toBe(Code.ResourceExhausted);
    mesh.calls.abort();
    expect(await codeOf(waiting)).toBe(Code.Canceled);
    await settlePromises();
    const ended = new AbortController();
    const next = codeOf(read(client.watchInbound(ref("c"), { signal: ended.signal }))());
    await settlePromises();
    expect(mesh.log.find("waiting for a pod")).toHaveLength(2);
    ended.abort();
    expect(await next).toBe(Code.Canceled);
  });

  it("bound the log lines of a caller that keeps requesting new pods", async () => {
    mesh.maxLines = 2;
    const client = mesh.client();
    for (const name of ["a", "b", "c"]) {
      const ended = new AbortController();
      const ref = { namespace: "ns1", name };
      const code = codeOf(read(client.watchInbound({ workload: ref }, { signal: ended.signal }))());
      await settlePromises();
      ended.abort();
      expect(await code).toBe(Code.Canceled);
    }
    expect(mesh.log.find("waiting for a pod").map(({ fields }) => fields["pod"])).toEqual(["ns1/a", "ns1/b"]);
  });

  it("bound the streams of one address, whichever pods it names", async () => {
    const client = mesh.client({ limits: { perCaller: 1 } });
    await read(client.watchInbound({ workload }, { signal: mesh.calls.signal }))();
    expect(await codeOf(read(client.watchTrustBundle({}))())).toBe(Code.ResourceExhausted);
    const other = {
      kind: "verified",
      identity: HELLO,
      notAfterMs: mesh.clock.now() + HOUR_MS,
      address: "10.0.0.8",
    } as const;
    const elsewhere = mesh.client({ limits: { perCaller: 1 }, peer: other });
    expect((await read(elsewhere.watchTrustBundle({}, { signal: mesh.calls.signal }))()).roots).toEqual(["root one"]);
  });

  it("release all slots when one is refused", async () => {
    const client = mesh.client({ limits: { perCaller: 1, perPod: 0 } });
    expect(await codeOf(read(client.watchInbound({ workload }))())).toBe(Code.ResourceExhausted);
    expect((await read(client.watchTrustBundle({}, { signal: mesh.calls.signal }))()).roots).toEqual(["root one"]);
  });

  it("bound the trust bundle streams of one identity", async () => {
    const client = mesh.client({ limits: { bundlesPerIdentity: 1 } });
    await read(client.watchTrustBundle({}, { signal: mesh.calls.signal }))();
    expect(await codeOf(read(client.watchTrustBundle({}))())).toBe(Code.ResourceExhausted);
  });
});
