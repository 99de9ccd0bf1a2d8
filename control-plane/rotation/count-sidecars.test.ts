import { expect, it } from "vitest";
import { type CountedProxy, countSidecars } from "./count-sidecars.ts";

function proxy(changes: Partial<CountedProxy> = {}): CountedProxy {
  return {
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

it("nobody is counted where nobody is connected", () => {
  expect(countSidecars([])).toEqual({ connected: 0, rejecting: 0, trusting: new Map(), holding: new Map() });
});
