import { describe, expect, it } from "vitest";
import type { RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { formatTaggedSerial, type PodTag, tagOfPodName, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { PLAIN } from "../text/palette.ts";
import { formatRevocation } from "./format-revocation.ts";
import type { AuthorityReplica } from "./read-authority.ts";
import { at, authority, OLD, proxy, replica, rotating, silentReplica } from "./replica-fixture.ts";
import { foreseeRevocation } from "./revocation-effect.ts";

const identity = (path: string) =>
  ({ kind: "identity", identity: parseSpiffeId(`spiffe://cluster.local/ns/${path}`) }) as const;
const SERIAL = { kind: "serial", serialNumber: "FF" } as const;
const POD = { kind: "pod", namespace: "ns1", name: "a" } as const;

const GATEWAY = proxy("gateway-1", {
  namespace: "istio-system",
  identity: "spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway",
});
const REPLICAS = [
  replica("istiod-1", authority(), [
    proxy("a", { certificate: { serialNumber: "FF", notAfter: at(5), rootFingerprint: OLD } }),
    proxy("b", { identity: "spiffe://cluster.local/ns/ns1/sa/a" }),
  ]),
  replica("istiod-2", authority(), [GATEWAY]),
];

function foresee(target: RevocationTarget, replicas: readonly AuthorityReplica[] = REPLICAS) {
  return foreseeRevocation({ target, replicas, rootNamespace: "istio-system" });
}

describe("what a revocation does", () => {
  it.each<{ name: string; target: RevocationTarget; affected: readonly string[] }>([
    { name: "a certificate", target: SERIAL, affected: ["a.ns1"] },
    { name: "an identity", target: identity("ns1/sa/a"), affected: ["a.ns1", "b.ns1"] },
  ])("to $name is known by the connected proxies, at whichever control plane", ({ target, affected }) => {
    expect(foresee(target)).toMatchObject({ kind: "effective", affected, warnings: [] });
  });

  it("may be nothing where a control plane refuses what is stored, which is said", () => {
    const refused = ["refuses what is stored in entente-ca: 12000 revocations are too many"];
    const proxies = [proxy("a", { certificate: { serialNumber: "FF", notAfter: at(5), rootFingerprint: OLD } })];
    expect(foresee(SERIAL, [replica("istiod-1", authority({ refused }), proxies)])).toMatchObject({
      affected: ["a.ns1"],
      warnings: [`it may not be in force until this is repaired: istiod-1.istio-system ${refused[0]}`],
    });
  });

  it("to a certificate is known whether or not its number has the zeros of whole octets", () => {
    const own = { certificate: { serialNumber: "0FF1", notAfter: at(5), rootFingerprint: OLD } };
    const target = { kind: "serial", serialNumber: "FF1" } as const;
    expect(foresee(target, [replica("istiod-1", authority(), [proxy("a", own)])])).toMatchObject({
      affected: ["a.ns1"],
    });
  });

  it("to an identity is known in each of the mesh's trust domains, as the control planes revoke it", () => {
    const trustDomains = ["cluster.local", "old.example"];
    const replicas = [replica("istiod-1", authority({ trustDomains }), [proxy("a"), GATEWAY])];
    const alias = (path: string) =>
      ({ kind: "identity", identity: parseSpiffeId(`spiffe://old.example/ns/${path}`) }) as const;
    expect(foresee(alias("ns1/sa/a"), replicas)).toMatchObject({ affected: ["a.ns1"], warnings: [] });
    expect(foresee(alias("istio-system/sa/istio-ingressgateway"), replicas)).toMatchObject({
      warnings: [expect.stringContaining("belongs to the mesh itself")],
    });
    const foreign = { kind: "identity", identity: parseSpiffeId("spiffe://new.example/ns/ns1/sa/a") } as const;
    expect(foresee(foreign, replicas)).toMatchObject({
      affected: [],
      warnings: [
        expect.stringContaining("new.example is no trust domain of this mesh, which has cluster.local, old.example"),
      ],
    });
  });

  it("to a pod is known by the certificates, whatever a proxy calls itself", () => {
    const target = { ...POD, uid: "u1" };
    const withTag = (name: string, tag: PodTag) => {
      const serialNumber = Buffer.from(formatTaggedSerial(new Uint8Array(20), tag)).toString("hex");
      return proxy(name, { certificate: { serialNumber, notAfter: at(5), rootFingerprint: OLD } });
    };
    const proxies = [withTag("calls-itself-b", tagOfPodUid("u1")), withTag("a", tagOfPodUid("u2"))];
    const replicas = [replica("istiod-1", authority(), [...proxies, withTag("by-name", tagOfPodName(POD))])];
    expect(foresee(target, replicas)).toMatchObject({
      affected: ["calls-itself-b.ns1", "by-name.ns1"],
      warnings: [
        "calls-itself-b.ns1 has a certificate of this pod, and another name: check the uid",
        expect.stringContaining("by-name.ns1 has"),
      ],
    });
    expect(foresee(POD, replicas)).toMatchObject({ affected: ["by-name.ns1"] });
  });

  it("to a certificate ends with the certificate", () => {
    expect(foresee(SERIAL)).toMatchObject({ expiresAt: at(5) });
    expect(foresee(POD)).not.toHaveProperty("expiresAt");
  });

  it.each<{ name: string; target: RevocationTarget; replicas?: readonly AuthorityReplica[]; warning: string }>([
    {
      name: "no connected proxy has the certificate",
      target: { ...SERIAL, serialNumber: "EE" },
      warning: "no connected proxy has this certificate: check the spelling; the entry stays until it is lifted",
    },
    {
      name: "no connected proxy has the identity",
      target: identity("ns1/sa/typo"),
      warning: "no connected proxy has this identity",
    },
    {
      name: "a control plane could not be asked",
      target: POD,
      replicas: [...REPLICAS, silentReplica("istiod-3")],
      warning: "istiod-3.istio-system could not be asked, so more proxies may be affected: connection refused",
    },
    {
      name: "it is the gateway's identity",
      target: identity("istio-system/sa/istio-ingressgateway"),
      warning: "gateway-1.istio-system belongs to the mesh itself",
    },
    {
      name: "a certificate of the pod does not name it",
      target: POD,
      warning:
        "its certificate FF is of an earlier version or of another authority, and names no pod: revoke --serial FF",
    },
    {
      name: "it is a gateway's pod",
      target: { kind: "pod", namespace: "istio-system", name: "gateway-1" },
      warning: "gateway-1.istio-system belongs to the mesh itself",
    },
  ])("is warned of if $name", ({ target, replicas, warning }) => {
    const effect = foresee(target, replicas);
    expect(effect).toMatchObject({
      kind: "effective",
      warnings: expect.arrayContaining([expect.stringContaining(warning)]),
    });
  });

  it.each<{ name: string; target: RevocationTarget }>([
    { name: "the control plane's identity", target: identity("istio-system/sa/istiod") },
    { name: "that of a revision", target: identity("istio-system/sa/istiod-canary") },
    { name: "a control plane's pod", target: { kind: "pod", namespace: "istio-system", name: "istiod-2" } },
    { name: "the root that signs", target: { kind: "serial", serialNumber: "A0" } },
  ])("to $name is refused, with what helps", ({ target }) => {
    expect(foresee(target)).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("entente ca rotate-root"),
    });
  });

  it("to an authority between the root and the mesh's certificates is refused, with what helps", () => {
    const signer = { serialNumbers: ["C1", "C2", "A0"], revoked: null };
    const replicas = [replica("istiod-1", authority({ signer }), [])];
    for (const serialNumber of ["C1", "C2"]) {
      expect(foresee({ kind: "serial", serialNumber }, replicas)).toMatchObject({
        kind: "refused",
        reason: expect.stringMatching(/issues the mesh's certificates: .* Replace it first, in ca-cert\.pem/),
      });
    }
    expect(foresee({ kind: "serial", serialNumber: "C3" }, replicas).kind).toBe("effective");
  });

  it("to a root that is about to leave is not refused: its workloads get certificates of the other one", () => {
    const replicas = [replica("istiod-1", rotating("signing"), [])];
    expect(foresee({ kind: "serial", serialNumber: "A0" }, replicas).kind).toBe("effective");
    expect(foresee({ kind: "serial", serialNumber: "B0" }, replicas).kind).toBe("refused");
  });

  it("to a root that does not sign yet ends its rotation, which is said", () => {
    const replicas = [replica("istiod-1", rotating("published"), [])];
    expect(foresee({ kind: "serial", serialNumber: "B0" }, replicas)).toMatchObject({
      kind: "effective",
      warnings: [expect.stringContaining("the rotation goes back to the one that signs")],
    });
    expect(foresee({ kind: "serial", serialNumber: "A0" }, replicas).kind).toBe("refused");
  });

  it.each([identity("ns1/sa/istiod"), identity("istio-system/sa/istiodx")])(
    "is not refused for $identity, which only looks like the control plane's",
    (target) => {
      expect(foresee(target).kind).toBe("effective");
    },
  );
});

it("as text says what was done, what follows, whom it hits and how it is lifted", () => {
  const effect = foresee(SERIAL);
  if (effect.kind === "refused") throw new Error(effect.reason);
  const revocation = { what: SERIAL, revokedAt: at(0), expiresAt: at(5) };
  const text = formatRevocation({ revocation, outcome: "revoked", effect }, PLAIN);
  expect(text.split("\n")).toEqual([
    "certificate FF: revoked",
    expect.stringMatching(/^every proxy refuses it .*; the entry goes at 2026-01-01T17:00:00\.000Z$/),
    "affected now: 1 connected proxy: a.ns1",
    "it is lifted by: entente ca unrevoke --serial FF",
    "",
  ]);
});
