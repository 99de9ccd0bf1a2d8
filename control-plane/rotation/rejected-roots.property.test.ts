import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findRejectedRoots } from "../../ca-agent/rotation/rejected-roots.ts";
import type { ProxyTrust } from "../../discovery/streams/stream-status.ts";
import { countSidecars } from "./count-sidecars.ts";

const [OLD, NEW] = ["old", "new"];

/** Which control planes a proxy is connected to, with how many streams, and who it is. */
interface Placed {
  readonly trust: ProxyTrust;
  readonly replicas: readonly number[];
}

const placed = (namespaces: readonly string[], answer: fc.Arbitrary<Partial<ProxyTrust>>): fc.Arbitrary<Placed> =>
  fc.record({
    replicas: fc.array(fc.nat(2), { minLength: 1, maxLength: 6 }),
    trust: fc
      .record({
        namespace: fc.constantFrom(...namespaces),
        account: fc.nat(30),
        address: fc.integer({ min: 1, max: 200 }),
        answer,
      })
      .map(({ namespace, account, address, answer: changes }) => ({
        ...{ identity: `spiffe://cluster.local/ns/${namespace}/sa/a${account}`, address: `10.0.0.${address}` },
        ...{ certificateRoot: OLD, trustedRoots: [OLD], rejectedRoot: null, ...changes },
      })),
  });

function reject(proxies: readonly Placed[]): boolean {
  const counts = [0, 1, 2].map((replica) =>
    countSidecars(proxies.flatMap(({ trust, replicas }) => replicas.filter((one) => one === replica).map(() => trust))),
  );
  return findRejectedRoots(counts).has(NEW);
}

const claims = fc.record({
  rejectedRoot: fc.constantFrom(NEW, NEW, OLD, null),
  trustedRoots: fc.constantFrom([OLD], [OLD, NEW], [NEW], null),
});
const accepts = fc.constantFrom<Partial<ProxyTrust>>({ trustedRoots: [OLD, NEW] }, { trustedRoots: null });

describe("a root that works", () => {
  it("is never condemned by one tenant, whatever its pods claim and however many there are", () => {
    const tenant = fc.array(placed(["evil"], claims), { size: "max", maxLength: 150 });
    const honest = fc.array(placed(["ns1", "ns2", "ns3"], accepts), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(tenant, honest, (hostile, others) => {
        expect(reject([...hostile, ...others])).toBe(false);
      }),
    );
  });

  it("is not condemned by a tenant that may create namespaces, while others have more than a tenth of the pods", () => {
    const names = Array.from({ length: 40 }, (_, index) => `evil-${index}`);
    const tenant = fc.array(placed(names, claims), { size: "max", minLength: 1, maxLength: 60 });
    const honest = fc.array(placed(["ns1"], accepts), { minLength: 20, maxLength: 40 });
    fc.assert(
      fc.property(tenant, honest, (hostile, others) => {
        const isConnectedEverywhere = new Set(others.flatMap(({ replicas }) => replicas)).size === 3;
        fc.pre(isConnectedEverywhere && countSidecars(others.map(({ trust }) => trust)).connected > 8);
        expect(reject([...hostile, ...others])).toBe(false);
      }),
    );
  });

  const pods = (namespace: string, account: (index: number) => string, count: number, rejectedRoot: string | null) =>
    Array.from(
      { length: count },
      (_, index): Placed => ({
        replicas: [0],
        trust: {
          identity: `spiffe://cluster.local/ns/${namespace}/sa/${account(index)}`,
          address: `10.${namespace}.${account(index)}.${index}`,
          ...{ certificateRoot: OLD, trustedRoots: [OLD], rejectedRoot },
        },
      }),
    );

  it.each([
    {
      name: "one service account with 95 of 100 pods of a mesh of one namespace",
      proxies: [...pods("a", () => "evil", 95, NEW), ...pods("a", () => "web", 5, null)],
    },
    {
      name: "one namespace with a thousand pods and accounts beside another one",
      proxies: [...pods("evil", (index) => `${index}`, 1000, NEW), ...pods("b", () => "web", 1, null)],
    },
    {
      name: "a hundred namespaces and accounts with one pod each beside a large one",
      proxies: [
        ...Array.from({ length: 100 }, (_, index) => pods(`evil-${index}`, () => "a", 1, NEW)).flat(),
        ...pods("b", () => "web", 20, null),
      ],
    },
  ])("is not condemned by $name", ({ proxies }) => {
    expect(reject(proxies)).toBe(false);
  });
});

describe("a root that is broken", () => {
  const rejects = fc.constant<Partial<ProxyTrust>>({ rejectedRoot: NEW });

  it("is condemned when all reject it, in one namespace or in many, at one control plane or at several", () => {
    fc.assert(
      fc.property(fc.array(placed(["ns1", "ns2", "ns3"], rejects), { minLength: 1, maxLength: 60 }), (proxies) => {
        expect(reject(proxies)).toBe(true);
      }),
    );
  });

  it("is condemned though some hang and do not respond, or have just connected", () => {
    const of = (index: number): Placed => ({
      replicas: [index % 2],
      trust: {
        identity: `spiffe://cluster.local/ns/ns${index % 5}/sa/a`,
        ...{
          address: `10.0.0.${index}`,
          certificateRoot: OLD,
          trustedRoots: [OLD],
          rejectedRoot: index < 5 ? null : NEW,
        },
      },
    });
    expect(reject(Array.from({ length: 200 }, (_, index) => of(index)))).toBe(true);
  });

  it("is not condemned by nobody", () => {
    expect(reject([])).toBe(false);
  });
});
