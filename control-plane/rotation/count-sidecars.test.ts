import { expect, it } from "vitest";
import { type CountedProxy, countSidecars } from "./count-sidecars.ts";

let created = 0;

/** Another one with each call. */
function proxy(changes: Partial<CountedProxy> = {}): CountedProxy {
  created += 1;
  return {
    ...{ identity: "spiffe://cluster.local/ns/ns1/sa/a", address: `10.0.0.${created}` },
    certificate: { serialNumber: "1A", notAfter: "2030-01-01T00:00:00.000Z", rootFingerprint: "old" },
    trustedRoots: ["old"],
    resources: [{ kind: "trust bundle", count: 1, state: "synced" }],
    ...changes,
  };
}

it("proxies are counted by the roots that they have acknowledged, and by the root of their certificate", () => {
  const renewed = { ...proxy().certificate, rootFingerprint: "new" };
  const proxies = [
    proxy(),
    proxy({ trustedRoots: ["old", "new", "new"] }),
    proxy({ trustedRoots: null, certificate: renewed }),
  ];
  expect(countSidecars(proxies)).toEqual({
    connected: 3,
    rejecting: 0,
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

it("a proxy that has rejected its trust bundle is counted, and one that has rejected something else is not", () => {
  const rejects = proxy({ resources: [{ kind: "trust bundle", count: 1, state: "rejected" }] });
  const other = proxy({ resources: [{ kind: "inbound", count: 1, state: "rejected" }] });
  expect(countSidecars([rejects, other, proxy()]).rejecting).toBe(1);
});

it("a pod that opens many streams counts once", () => {
  const hostile = proxy({ resources: [{ kind: "trust bundle", count: 1, state: "rejected" }] });
  const honest = [proxy({ trustedRoots: ["old", "new"] }), proxy({ trustedRoots: ["old", "new"] })];
  const { connected, rejecting, trusting } = countSidecars([...Array.from({ length: 64 }, () => hostile), ...honest]);
  expect({ connected, rejecting }).toEqual({ connected: 3, rejecting: 1 });
  expect(trusting.get("new")).toBe(2);
});

it("a proxy with two streams has what each of them has", () => {
  const { address } = proxy();
  const renewed = { ...proxy().certificate, rootFingerprint: "new" };
  const before = proxy({ address, trustedRoots: ["old"] });
  const after = proxy({ address, trustedRoots: ["new", "old"], certificate: renewed });
  const counts = { connected: 1, rejecting: 0, trusting: new Map([["old", 1]]), holding: new Map() };
  expect(countSidecars([before, after])).toEqual(counts);
  expect(countSidecars([after, before])).toEqual(counts);
  const other = proxy({ address, identity: "spiffe://cluster.local/ns/ns1/sa/b" });
  expect(countSidecars([before, other]).connected).toBe(2);
});

it("nobody is counted where nobody is connected", () => {
  expect(countSidecars([])).toEqual({ connected: 0, rejecting: 0, trusting: new Map(), holding: new Map() });
});
