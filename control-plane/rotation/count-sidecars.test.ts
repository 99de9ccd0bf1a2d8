import { expect, it } from "vitest";
import type { ProxyTrust } from "../../discovery/streams/stream-status.ts";
import { countSidecars } from "./count-sidecars.ts";

let created = 0;

/** Another one with each call. */
function proxy(changes: Partial<ProxyTrust> = {}): ProxyTrust {
  created += 1;
  return {
    ...{ identity: "spiffe://cluster.local/ns/ns1/sa/a", address: `10.0.0.${created}` },
    ...{ certificateRoot: "old", trustedRoots: ["old"], rejectedRoot: null },
    ...changes,
  };
}

it("proxies are counted by the roots that they have acknowledged, and by the root of their certificate", () => {
  const proxies = [
    proxy(),
    proxy({ trustedRoots: ["old", "new", "new"] }),
    proxy({ trustedRoots: null, certificateRoot: "new" }),
  ];
  expect(countSidecars(proxies)).toEqual({
    connected: 3,
    tenants: { identities: 1, namespaces: 1 },
    rejecting: new Map(),
    trusting: new Map([
      ["old", 2],
      ["new", 1],
    ]),
    holding: new Map([
      ["old", 2],
      ["new", 1],
    ]),
  });
});

it("a proxy that rejects its trust bundle because of a root is counted for that root", () => {
  const { rejecting } = countSidecars([proxy({ rejectedRoot: "new" }), proxy()]);
  expect(rejecting).toEqual(new Map([["new", { sidecars: 1, identities: 0, namespaces: 0 }]]));
});

it("a proxy that has accepted a root does not reject a bundle because of it", () => {
  expect(countSidecars([proxy({ rejectedRoot: "new", trustedRoots: ["old", "new"] })]).rejecting).toEqual(new Map());
});

it("a pod that opens many streams counts once", () => {
  const hostile = proxy({ rejectedRoot: "new" });
  const honest = [proxy({ trustedRoots: ["old", "new"] }), proxy({ trustedRoots: ["old", "new"] })];
  const { connected, rejecting, trusting } = countSidecars([...Array.from({ length: 64 }, () => hostile), ...honest]);
  expect([connected, rejecting.get("new")?.sidecars]).toEqual([3, 1]);
  expect(trusting.get("new")).toBe(2);
});

it("a proxy with two streams has what each of them has", () => {
  const { address } = proxy();
  const before = proxy({ address, trustedRoots: ["old"] });
  const after = proxy({ address, trustedRoots: ["new", "old"], certificateRoot: "new" });
  const counts = {
    ...{ connected: 1, tenants: { identities: 1, namespaces: 1 } },
    ...{ rejecting: new Map(), trusting: new Map([["old", 1]]), holding: new Map() },
  };
  expect(countSidecars([before, after])).toEqual(counts);
  expect(countSidecars([after, before])).toEqual(counts);
  const other = proxy({ address, identity: "spiffe://cluster.local/ns/ns1/sa/b" });
  expect(countSidecars([before, other]).connected).toBe(2);
});

it("service accounts and namespaces count by their certificates, and reject a root if nearly all of their sidecars do", () => {
  const many = (count: number, changes: Partial<ProxyTrust>) => Array.from({ length: count }, () => proxy(changes));
  const of = (namespace: string, account: string) => ({
    identity: `spiffe://cluster.local/ns/${namespace}/sa/${account}`,
  });
  const { tenants, rejecting } = countSidecars([
    ...many(9, { ...of("big", "a"), rejectedRoot: "new" }),
    ...many(1, of("big", "a")),
    ...many(1, { ...of("mixed", "a"), rejectedRoot: "new" }),
    ...many(1, of("mixed", "b")),
    ...many(1, of("honest", "a")),
  ]);
  expect(tenants).toEqual({ identities: 4, namespaces: 3 });
  expect(rejecting.get("new")).toEqual({ sidecars: 10, identities: 2, namespaces: 1 });
});

it("nobody is counted where nobody is connected", () => {
  const tenants = { identities: 0, namespaces: 0 };
  const none = { connected: 0, tenants, rejecting: new Map(), trusting: new Map(), holding: new Map() };
  expect(countSidecars([])).toEqual(none);
});
