import { expect, it } from "vitest";
import type { ProxyTrust } from "../../discovery/streams/stream-status.ts";
import { countSidecars } from "./count-sidecars.ts";

let created = 0;

/** Another one with each call. */
function proxy(changes: Partial<ProxyTrust> = {}): ProxyTrust {
  created += 1;
  return {
    ...{ identity: "spiffe://cluster.local/ns/ns1/sa/a", address: `10.0.0.${created}` },
    ...{ certificateRoot: "old", trustedRoots: ["old"], rejectsBundle: false },
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

it("a proxy that has rejected its trust bundle is counted", () => {
  expect(countSidecars([proxy({ rejectsBundle: true }), proxy()]).rejecting).toBe(1);
});

it("a pod that opens many streams counts once", () => {
  const hostile = proxy({ rejectsBundle: true });
  const honest = [proxy({ trustedRoots: ["old", "new"] }), proxy({ trustedRoots: ["old", "new"] })];
  const { connected, rejecting, trusting } = countSidecars([...Array.from({ length: 64 }, () => hostile), ...honest]);
  expect({ connected, rejecting }).toEqual({ connected: 3, rejecting: 1 });
  expect(trusting.get("new")).toBe(2);
});

it("a proxy with two streams has what each of them has", () => {
  const { address } = proxy();
  const before = proxy({ address, trustedRoots: ["old"] });
  const after = proxy({ address, trustedRoots: ["new", "old"], certificateRoot: "new" });
  const counts = { connected: 1, rejecting: 0, trusting: new Map([["old", 1]]), holding: new Map() };
  expect(countSidecars([before, after])).toEqual(counts);
  expect(countSidecars([after, before])).toEqual(counts);
  const other = proxy({ address, identity: "spiffe://cluster.local/ns/ns1/sa/b" });
  expect(countSidecars([before, other]).connected).toBe(2);
});

it("nobody is counted where nobody is connected", () => {
  expect(countSidecars([])).toEqual({ connected: 0, rejecting: 0, trusting: new Map(), holding: new Map() });
});
