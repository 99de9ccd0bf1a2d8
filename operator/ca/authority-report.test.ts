import { describe, expect, it } from "vitest";
import { type ControlState, EMPTY_CONTROL_STATE, type Revocation } from "../../ca-agent/control/control-state.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { PLAIN } from "../text/palette.ts";
import { createAuthorityReport } from "./authority-report.ts";
import { formatAuthority } from "./format-authority.ts";
import type { AuthorityReplica } from "./read-authority.ts";
import { readAuthorityReplicas } from "./read-authority.ts";
import { at, authority, NEW, NOW_MS, OLD, proxy, replica, rotating, STEADY, silentReplica } from "./replica-fixture.ts";

const report = (replicas: readonly AuthorityReplica[], control: ControlState = EMPTY_CONTROL_STATE) =>
  createAuthorityReport({ replicas, control, nowMs: NOW_MS });
const text = (...input: Parameters<typeof report>) =>
  formatAuthority(report(...input), { nowMs: NOW_MS, palette: PLAIN });
const certificateOf = (rootFingerprint: string, notAfter = at(11)) => ({
  certificate: { serialNumber: "1A2B", notAfter, rootFingerprint },
});

describe("the report of the certificate authority", () => {
  it("counts for each root who trusts it and who holds a certificate of it, over all control planes", () => {
    const one = replica("istiod-a", rotating("published"), [
      proxy("a", { trustedRoots: [OLD, NEW] }),
      proxy("b", { trustedRoots: null }),
    ]);
    const other = replica("istiod-b", rotating("published"), [proxy("c")]);
    const { roots, proxies, rotation, problems } = report([one, other]);
    expect(
      roots.map(({ fingerprint, isSigning, trustedBy, leaves }) => [fingerprint, isSigning, trustedBy, leaves]),
    ).toEqual([
      [OLD, true, 2, 3],
      [NEW, false, 1, 0],
    ]);
    expect(proxies).toEqual({ connected: 3, withBundle: 2 });
    expect(rotation?.phase).toBe("published");
    expect(problems).toEqual(["b.ns1: does not trust the root that signs: see the log of its container istio-proxy"]);
  });

  it("counts a proxy that has just moved to another control plane once, as the newer stream shows it", () => {
    const before = replica("istiod-a", authority(), [proxy("a", { connectedSince: at(-2), trustedRoots: [] })]);
    const after = replica("istiod-b", authority(), [proxy("a", { connectedSince: at(-1) })]);
    expect(report([before, after])).toMatchObject({ proxies: { connected: 1 }, roots: [{ trustedBy: 1 }] });
    expect(report([after, before])).toMatchObject({ proxies: { connected: 1 }, roots: [{ trustedBy: 1 }] });
  });

  it("sorts the certificates by the time that they have left", () => {
    const proxies = [0.5, 1, 5.9, 23, 24].map((hours, index) => proxy(`p${index}`, certificateOf(OLD, at(hours))));
    const { leaves } = report([replica("istiod-a", authority(), proxies)]);
    expect(leaves.firstExpiry).toBe(at(0.5));
    expect(leaves.byHoursLeft.map(({ count }) => count)).toEqual([1, 2, 0, 1, 1]);
  });

  it("counts the revocations in force", () => {
    const entry = (what: Revocation["what"], expiresAt?: string): Revocation => ({
      ...{ what, revokedAt: at(-1) },
      ...(expiresAt !== undefined && { expiresAt }),
    });
    const revocations = [
      entry({ kind: "serial", serialNumber: "AA" }, at(1)),
      entry({ kind: "serial", serialNumber: "BB" }, at(-2)),
      entry({ kind: "pod", namespace: "ns1", name: "web" }),
      entry({ kind: "identity", identity: parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/web") }),
    ];
    const control = { ...EMPTY_CONTROL_STATE, revocations };
    const status = authority({ revoked: { certificates: 4, identities: 1, pods: 1 } });
    const counts = { certificates: 1, identities: 1, pods: 1, listed: 3 };
    expect(report([replica("istiod-a", status)], control).revocations).toEqual(counts);
    expect(text([replica("istiod-a", status)], control)).toMatch(
      /^Revoked: +1 certificate, 1 identity, 1 pod \(entente ca revocations\); 3 certificates by ca-crl\.pem$/m,
    );
  });

  it("says whether the last request was answered", () => {
    const control = { ...EMPTY_CONTROL_STATE, rotation: { requestId: "r1", requestedAt: at(-1) } };
    const answered = authority({ rotation: { ...STEADY, requestId: "r1" } });
    expect(report([replica("istiod-a")], control).request).toMatchObject({ requestId: "r1", isAnswered: false });
    expect(report([replica("istiod-a", answered)], control).request).toMatchObject({ isAnswered: true });
    expect(text([replica("istiod-a")], control)).toContain(`; requested at ${at(-1)}, and not begun yet`);
    const withdrawing = authority({ rotation: { ...STEADY, phase: "withdrawing", rolledBack: "requested" } });
    expect(text([replica("istiod-a", withdrawing)], control)).toContain(
      `; another one was requested at ${at(-1)}, it begins when this one is over`,
    );
    expect(text([replica("istiod-a", rotating("signing"))], control)).toContain("this one answers it");
    expect(report([replica("istiod-a")])).not.toHaveProperty("request");
  });
});

describe("what needs attention", () => {
  it.each<{ name: string; replicas: readonly AuthorityReplica[]; problem: string }>([
    { name: "there is no control plane", replicas: [], problem: "there is no control plane: is it installed" },
    {
      name: "a control plane does not respond",
      replicas: [replica("istiod-a"), silentReplica("istiod-b")],
      problem: "istiod-b.istio-system: connection refused",
    },
    {
      name: "the leader cannot take a step",
      replicas: [replica("istiod-a", authority({ rotation: { ...STEADY, fault: "its clock is wrong" } }))],
      problem: "istiod-a.istio-system cannot rotate the root, and tries again: its clock is wrong",
    },
    {
      name: "control planes are in different phases",
      replicas: [replica("istiod-a"), replica("istiod-b", rotating("published"))],
      problem: "istiod-b.istio-system has another phase of the rotation than istiod-a.istio-system",
    },
    {
      name: "control planes have different roots",
      replicas: [replica("istiod-a"), replica("istiod-b", { ...rotating("published"), rotation: STEADY })],
      problem: "has other roots than istiod-a.istio-system",
    },
    {
      name: "control planes sign with different roots",
      replicas: [
        replica("istiod-a", rotating("published")),
        replica("istiod-b", { ...rotating("signing"), rotation: rotating("published").rotation }),
      ],
      problem: "has another signing root than",
    },
    {
      name: "proxies do not trust the root that signs",
      replicas: [
        replica(
          "istiod-a",
          rotating("signing"),
          ["a", "b", "c", "d"].map((name) => proxy(name)),
        ),
      ],
      problem: "a.ns1, b.ns1, c.ns1 and 1 more: does not trust the root that signs",
    },
    {
      name: "a certificate's root is not trusted any more",
      replicas: [replica("istiod-a", authority(), [proxy("a", certificateOf("EE:EE"))])],
      problem: "a.ns1: has a certificate of a root that is not trusted any more",
    },
    {
      name: "control planes refuse what is stored, once for all of them",
      replicas: ["istiod-a", "istiod-b"].map((name) =>
        replica(name, authority({ refused: ["refuses it: add the root"] })),
      ),
      problem: "istiod-a.istio-system, istiod-b.istio-system refuses it: add the root",
    },
    {
      name: "proxies do not accept the trust bundle",
      replicas: [
        replica(
          "istiod-a",
          authority(),
          ["a", "b"].map((name) =>
            proxy(name, {
              rejections: [{ resource: "trust bundle", reason: "certificate_pem: root 2 cannot be read" }],
            }),
          ),
        ),
      ],
      problem: "a.ns1, b.ns1: does not accept the trust bundle: certificate_pem: root 2 cannot be read",
    },
  ])("is said if $name", ({ replicas, problem }) => {
    expect(report(replicas).problems).toEqual([expect.stringContaining(problem)]);
  });

  it("is an authority that is revoked, once for all control planes that sign by it", () => {
    const revoked = authority({ signer: { serialNumbers: ["C1", "A0"], revoked: "C1" } });
    expect(report([replica("istiod-a", revoked), replica("istiod-b", revoked)]).problems).toEqual([
      expect.stringMatching(
        /^istiod-a\.istio-system, istiod-b\.istio-system signs by the certificate C1, .*unrevoke --serial C1/,
      ),
    ]);
  });

  it("is no problem but a warning, once, what strict verifiers refuse of the authority", () => {
    const warned = authority({ warnings: ["the authority's certificate C1 has no subject"] });
    const { problems, warnings } = report([replica("istiod-a", warned), replica("istiod-b", warned)]);
    expect([problems, warnings]).toEqual([[], ["the authority's certificate C1 has no subject"]]);
  });

  it("is said if a control plane does not distribute what is revoked", () => {
    const what = { kind: "serial", serialNumber: "AA" } as const;
    const control = { ...EMPTY_CONTROL_STATE, revocations: [{ what, revokedAt: at(-1) }] };
    const current = authority({ revoked: { certificates: 3, identities: 0 } });
    expect(report([replica("istiod-a"), replica("istiod-b", current)], control).problems).toEqual([
      expect.stringContaining("istiod-a.istio-system does not distribute all revocations"),
    ]);
  });

  it("is nothing of a proxy that has connected a moment ago, nor of one that an older control plane describes", () => {
    const { certificate: _, ...unknown } = proxy("old", { trustedRoots: null });
    const proxies = [proxy("new", { connectedSince: at(-0.001), trustedRoots: null }), unknown];
    expect(report([replica("istiod-a", authority(), proxies)]).problems).toEqual([]);
  });
});

describe("the report as text", () => {
  it("is a table of the roots and a line for each of the rest", () => {
    const status = rotating("published", { waiting: "2 of 3 proxies have the new root", until: at(1) });
    const shown = text([replica("istiod-a", status, [proxy("a")])]);
    expect(shown).toMatch(/^ROOT \(SHA-256\) +SIGNS +VALID UNTIL +LEFT +TRUSTED BY +CERTIFICATES$/m);
    expect(shown).toMatch(/^0A:0B:0C +yes +\S+ +365d +1 of 1 +1$/m);
    expect(shown).toMatch(/^F0:F1:F2 +no +\S+ +365d +0 of 1 +0$/m);
    expect(shown).toMatch(
      /^Rotation: +published for 3m; waits: 2 of 3 proxies have the new root; at the latest in 1h$/m,
    );
    expect(shown).toMatch(/^Certificates: +1 connected proxy: 1 with less than 12h; the first ends in 11h$/m);
    expect(shown).toMatch(/^Revoked: +nothing$/m);
  });

  it("says when the root is replaced by its age while no rotation is in progress", () => {
    const waiting = "the root is replaced by age from 2034-11-24T19:40:43.000Z on";
    const shown = text([replica("istiod-a", authority({ rotation: { ...STEADY, since: at(-3), waiting } }))]);
    expect(shown).toMatch(new RegExp(`^Rotation: +steady for 3h; ${waiting}$`, "m"));
  });

  it("says who replaces the root if it is the operator's own, and why a rotation was rolled back", () => {
    expect(text([replica("istiod-a", authority({ rotation: null }))])).toMatch(
      /^Rotation: +by the operator, in Secret cacerts /m,
    );
    const rolledBack = authority({ rotation: { ...STEADY, rolledBack: "proxies reject the new root" } });
    expect(text([replica("istiod-a", rolledBack)])).toContain(
      "; the last one was rolled back: proxies reject the new root",
    );
    const withdrawing = authority({ rotation: { ...STEADY, phase: "withdrawing", rolledBack: "requested" } });
    expect(text([replica("istiod-a", withdrawing)])).toMatch(/^Rotation: .*; it was rolled back on request$/m);
  });

  it("shows control characters of what it has read instead of sending them to the terminal", () => {
    const hostile = "\u001b[2J";
    const status = rotating("published", { waiting: hostile });
    const shown = text([
      replica("istiod-a", status, [proxy(hostile, certificateOf(hostile))]),
      silentReplica("istiod-b", hostile),
    ]);
    expect(shown).not.toContain("\u001b");
    expect(shown).toContain("waits: \\x1b[2J");
  });
});

describe("the pages of control planes", () => {
  const { signal } = new AbortController();
  const pod = { name: "istiod-a", namespace: "istio-system" };
  const read = async (ca: string) => {
    const bodies: Readonly<Record<string, string>> = { "/debug/syncz": '{"proxies":[]}', "/debug/ca": ca };
    const get = async ({ path }: { readonly path: string }) => ({ status: 200, body: bodies[path] ?? "" });
    const [found] = await readAuthorityReplicas({ get }, [pod], signal);
    return found?.authority;
  };

  it("are read, without what is not known", async () => {
    const page = await read(JSON.stringify({ ...authority(), privateKey: "SECRET" }));
    expect(page).toEqual({ kind: "read", ...authority() });
  });

  it.each([
    { name: "no JSON", ca: "<html>" },
    { name: "another page", ca: "{}" },
    { name: "an unknown phase", ca: JSON.stringify(authority({ rotation: { ...STEADY, phase: "x" as "steady" } })) },
    { name: "a time that is none", ca: JSON.stringify(authority({ rotation: { ...STEADY, since: "yesterday" } })) },
  ])("are reported as unreadable if one is $name", async ({ ca }) => {
    expect(await read(ca)).toMatchObject({ kind: "failed", reason: expect.stringContaining("another version") });
  });
});
