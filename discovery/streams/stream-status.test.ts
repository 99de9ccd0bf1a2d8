import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifiedPeer } from "../../mesh/api/peer-fixture.ts";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { DiscoveryFixture, HELLO, pod, policy, service } from "../discovery-fixture.ts";

let mesh: DiscoveryFixture;

beforeEach(() => {
  mesh = new DiscoveryFixture();
});

afterEach(() => {
  mesh.calls.abort();
});

const INBOUND = { kind: "inbound" } as const;
const OUTSIDE = { kind: "destination", target: { kind: "address", ip: "192.0.2.1", port: 80 } } as const;

describe("the status of a proxy", () => {
  it("names the pod, its identity and version, since when it is connected, and what it subscribes to", async () => {
    const discovery = mesh.start();
    const proxy = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND).subscribe(2, OUTSIDE);
    await proxy.response();
    await settlePromises();
    const [status, ...others] = discovery.status();
    expect(others).toEqual([]);
    expect(status).toMatchObject({
      namespace: "ns1",
      pod: "hello-1",
      identity: HELLO,
      address: "10.0.0.7",
      version: "1.2.3",
      isPodKnown: true,
      connectedSince: "2030-01-01T00:00:00.000Z",
      lastSent: "2030-01-01T00:00:00.000Z",
      lastAcknowledged: null,
      certificate: {
        serialNumber: verifiedPeer().certificate.serialNumber,
        notAfter: "2030-01-01T01:00:00.000Z",
        rootFingerprint: "00:11",
      },
      trustedRoots: null,
    });
    expect(status?.resources.map(({ kind, count }) => [kind, count])).toEqual([
      ["inbound", 1],
      ["destination", 1],
    ]);
  });

  it("is stale until the proxy acknowledges, then synced, and stale again after a change", async () => {
    const discovery = mesh.start();
    const stateOf = () => discovery.status()[0]?.resources[0]?.state;
    const proxy = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND);
    const { nonce } = await proxy.response();
    expect(stateOf()).toBe("stale");
    await mesh.clock.advance(1000);
    proxy.send({ acknowledgement: { nonce } });
    await settlePromises();
    expect(stateOf()).toBe("synced");
    expect(discovery.status()[0]?.lastAcknowledged).toBe("2030-01-01T00:00:01.000Z");
    mesh.source.change(pod, service, policy("DISABLE"));
    await proxy.response();
    expect(stateOf()).toBe("stale");
  });

  it("says what the proxy has rejected, until it receives another value; the log has it once", async () => {
    const discovery = mesh.start();
    const proxy = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND);
    const { nonce } = await proxy.response();
    proxy.send({
      acknowledgement: {
        nonce,
        rejections: [
          { id: 1, reason: "an unknown mode" },
          { id: 9, reason: "" },
        ],
      },
    });
    await settlePromises();
    const [status] = discovery.status();
    expect(status?.resources[0]?.state).toBe("rejected");
    expect(status?.rejections).toEqual([{ resource: "inbound", reason: "an unknown mode" }]);
    expect(mesh.log.find("a proxy has rejected a value")).toHaveLength(1);
    mesh.source.change(pod, service, policy("DISABLE"));
    const next = await proxy.response();
    proxy.send({ acknowledgement: { nonce: next.nonce } });
    await settlePromises();
    expect(discovery.status()[0]?.resources[0]?.state).toBe("synced");
  });

  it("cannot be improved by acknowledging what was not sent", async () => {
    const discovery = mesh.start();
    const proxy = mesh.proxy({ discovery }).identify().subscribe(1, INBOUND);
    await proxy.response();
    proxy.send({ acknowledgement: { nonce: 1000 } });
    await settlePromises();
    expect(discovery.status()[0]?.resources[0]?.state).toBe("stale");
  });

  it("keeps a bounded part of what a proxy says", async () => {
    const discovery = mesh.start();
    const proxy = mesh.proxy({ discovery }).identify(undefined, "v".repeat(1000));
    for (let id = 1; id <= 100; id += 1) {
      proxy.subscribe(id, { kind: "destination", target: { kind: "address", ip: "192.0.2.1", port: id } });
    }
    await settlePromises();
    const { nonce } = await proxy.response();
    const rejections = Array.from({ length: 100 }, (_, index) => ({ id: index + 1, reason: "r".repeat(10_000) }));
    proxy.send({ acknowledgement: { nonce, rejections } });
    await settlePromises();
    expect(JSON.stringify(discovery.status()).length).toBeLessThan(8000);
  });

  it("says that nothing was sent while the pod is unknown", async () => {
    mesh.source.change();
    const discovery = mesh.start();
    void mesh
      .proxy({ discovery })
      .identify()
      .subscribe(1, INBOUND)
      .response()
      .catch(() => undefined);
    await settlePromises();
    expect(discovery.status()[0]).toMatchObject({ isPodKnown: false, lastSent: null });
    expect(discovery.status()[0]?.resources[0]?.state).toBe("waiting");
  });
});
