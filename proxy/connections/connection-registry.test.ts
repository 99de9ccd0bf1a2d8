import { X509Certificate } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { indexRevocations } from "../../mesh/policy/authentication/revocations.ts";
import type { TrustAnchors } from "../tls/trust-anchors.ts";
import { createConnectionRegistry, INBOUND_POLICY, type OpenConnection } from "./connection-registry.ts";
import type { VerifiedPeer } from "./handshake.ts";
import { createPeerJudge } from "./peer-judge.ts";
import { FakeRelay } from "./relay-fixture.ts";

const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const OLD = mintRoot();
const NEXT = mintRoot();
/** Issued again with the same name and key: it verifies what the old one has signed. */
const RENEWED = mintRoot({ key: OLD.key });
const ADDRESS = { ip: "10.0.0.1", port: 80 };

function trustIn(...roots: readonly MintedCertificate[]): TrustAnchors {
  return { roots: roots.map(({ certificate }) => certificate), trustDomains: [parseTrustDomain("cluster.local")] };
}

const BOTH = trustIn(OLD, NEXT);
const LEAF = mintOf({});
const REVOKED_LEAF = mintOf({ serialNumber: Uint8Array.of(0x0a) });

function mintOf(options: { readonly serialNumber?: Uint8Array }): X509Certificate {
  const times = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 86_400_000) };
  return mintLeaf({ issuer: OLD, uriSans: [HELLO], ...times, ...options }).certificate;
}

/** The same authorities, by which a certificate is revoked now. */
function revokedIn(trust: TrustAnchors, serialNumber = "A"): TrustAnchors {
  return { ...trust, revocations: indexRevocations({ certificates: [{ serialNumber }], identities: [] }) };
}

function peerUnder(authorities: TrustAnchors, leaf = LEAF): VerifiedPeer {
  const tls = { tlsVersion: "TLSv1.3", cipher: "", keyExchangeGroup: "" };
  const path = [leaf, OLD.certificate];
  return { identity: HELLO, certificates: [leaf], path, verifiedAtMs: Date.now(), authorities, ...tls };
}

interface Opened {
  readonly connection: OpenConnection;
  /** How often its policy was evaluated. */
  asked(): number;
  forbid(): void;
}

function openConnection(policyKey: string, peer: VerifiedPeer | undefined): Opened {
  let asked = 0;
  let isAllowed = true;
  const connection: OpenConnection = {
    direction: policyKey === INBOUND_POLICY ? "inbound" : "outbound",
    ...{ client: "10.0.0.9:1", destination: ADDRESS, endpoint: ADDRESS, host: "", rule: "", openedAtMs: 0 },
    stage: "open",
    peer,
    policyKey,
    isAllowed: () => {
      asked += 1;
      return isAllowed;
    },
    relay: new FakeRelay(),
    bytes: () => ({ received: 0, sent: 0 }),
  };
  return {
    connection,
    asked: () => asked,
    forbid: () => {
      isAllowed = false;
    },
  };
}

/** A registry in which `trust` is in force until it is changed. */
function createSide(trust: TrustAnchors) {
  let current = trust;
  const cuts: string[] = [];
  const registry = createConnectionRegistry({
    judgePeer: createPeerJudge(() => current),
    onCut: ({ policyKey }, reason) => cuts.push(`${policyKey} ${reason}`),
  });
  const setTrust = (next: TrustAnchors): Promise<void> => {
    current = next;
    return registry.judgeTrust();
  };
  return { registry, cuts, setTrust };
}

function spyOnVerify() {
  return vi.spyOn(X509Certificate.prototype, "verify");
}

afterEach(() => vi.restoreAllMocks());

describe("a change of one destination", () => {
  it("judges the connections of that destination by policy, and verifies no certificate", () => {
    const { registry, cuts } = createSide(BOTH);
    const world = Array.from({ length: 3 }, () => openConnection("world", peerUnder(BOTH)));
    const others = Array.from({ length: 100 }, () => openConnection("other", peerUnder(BOTH)));
    const inbound = openConnection(INBOUND_POLICY, peerUnder(BOTH));
    const verify = spyOnVerify();
    for (const { connection } of [...world, ...others, inbound]) registry.add(connection);
    world[0]?.forbid();
    others[0]?.forbid();
    registry.judgePolicy("world");
    expect(cuts).toEqual(["world policy_changed"]);
    expect(world.map(({ asked }) => asked())).toEqual([2, 2, 2]);
    expect(new Set([...others, inbound].map(({ asked }) => asked()))).toEqual(new Set([1]));
    expect(verify).not.toHaveBeenCalled();
  });
});

describe("a change of trust", () => {
  it("judges a connection at once that is to carry another request, and the others in their turn", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    const opened = Array.from({ length: 100 }, (_, index) => openConnection(`${index}`, peerUnder(BOTH, REVOKED_LEAF)));
    for (const { connection } of opened) registry.add(connection);
    const judged = setTrust(revokedIn(BOTH));
    const last = opened.at(-1)?.connection;
    if (last === undefined) throw new Error("there are connections");
    expect(cuts).not.toContain("99 revoked");
    registry.settle(last);
    registry.settle(last);
    expect(cuts.filter((cut) => cut === "99 revoked")).toHaveLength(1);
    await judged;
    expect(cuts).toHaveLength(100);
  });

  it("verifies each peer of a withdrawn root once, and ends those that lead to no other", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    for (let index = 0; index < 40; index += 1) {
      registry.add(openConnection(INBOUND_POLICY, peerUnder(BOTH)).connection);
    }
    registry.add(openConnection("plaintext", undefined).connection);
    const verify = spyOnVerify();
    await setTrust(trustIn(RENEWED));
    expect(verify).toHaveBeenCalledTimes(40);
    expect(cuts).toEqual([]);
    await setTrust(trustIn(RENEWED, NEXT));
    expect(verify).toHaveBeenCalledTimes(40);
    await setTrust(trustIn(NEXT));
    expect(cuts).toHaveLength(40);
    await expect.poll(() => registry.list().map(({ policyKey }) => policyKey)).toEqual(["plaintext"]);
  });

  it("verifies none whose root is still trusted", async () => {
    const { registry, cuts, setTrust } = createSide(trustIn(OLD));
    registry.add(openConnection(INBOUND_POLICY, peerUnder(trustIn(OLD))).connection);
    const verify = spyOnVerify();
    // As parsed from another response: an equal certificate, and not the same object.
    const parsed = { ...OLD, certificate: new X509Certificate(OLD.pem) };
    for (const trust of [trustIn(OLD, NEXT), trustIn(parsed, NEXT), trustIn(parsed)]) await setTrust(trust);
    expect([verify.mock.calls.length, cuts.length]).toEqual([0, 0]);
  });

  it("ends what has lost its trust domain, although its root is still trusted", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    registry.add(openConnection(INBOUND_POLICY, peerUnder(BOTH)).connection);
    await setTrust({ ...BOTH, trustDomains: [parseTrustDomain("other.domain")] });
    expect(cuts).toEqual(["inbound trust_changed"]);
  });

  it("lets other work run between slices", async () => {
    const { registry, setTrust } = createSide(BOTH);
    for (let index = 0; index < 200; index += 1) {
      registry.add(openConnection(INBOUND_POLICY, peerUnder(BOTH)).connection);
    }
    const verify = spyOnVerify();
    const seen: number[] = [];
    const watch = (): void => {
      seen.push(verify.mock.calls.length);
      if (verify.mock.calls.length < 200) setImmediate(watch);
    };
    setImmediate(watch);
    await setTrust(trustIn(RENEWED));
    const steps = seen.map((count, index) => count - (seen[index - 1] ?? 0));
    expect(verify).toHaveBeenCalledTimes(200);
    expect(Math.max(...steps)).toBeLessThanOrEqual(16);
  });

  it("judges a connection that is added while it is in progress", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    for (let index = 0; index < 100; index += 1) {
      registry.add(openConnection("before", peerUnder(BOTH)).connection);
    }
    const done = setTrust(trustIn(NEXT));
    registry.add(openConnection("meanwhile", peerUnder(BOTH)).connection);
    expect(cuts).toContain("meanwhile trust_changed");
    await done;
    expect(cuts).toHaveLength(101);
  });

  it("during another change ends what the last one forbids", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    for (let index = 0; index < 100; index += 1) {
      registry.add(openConnection(INBOUND_POLICY, peerUnder(BOTH)).connection);
    }
    const verify = spyOnVerify();
    await Promise.all([setTrust(trustIn(RENEWED)), setTrust(trustIn(NEXT))]);
    expect(cuts).toHaveLength(100);
    expect(verify.mock.calls.length).toBeLessThan(200);
  });

  it("that comes again before the last connection was judged still reaches that one", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    for (let index = 0; index < 200; index += 1) {
      registry.add(openConnection("before", peerUnder(BOTH)).connection);
    }
    registry.add(openConnection("last", peerUnder(BOTH, REVOKED_LEAF)).connection);
    // A new list each time, as of a root that is rotated again and again.
    let done = Promise.resolve();
    for (let change = 0; change < 30 && cuts.length === 0; change += 1) {
      // Each verifies again.
      done = setTrust(revokedIn(trustIn(change % 2 === 0 ? RENEWED : OLD)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(cuts).toEqual(["last revoked"]);
    await done;
  });

  it("back to the trust of the handshake needs no verification", async () => {
    const { registry, setTrust } = createSide(BOTH);
    registry.add(openConnection(INBOUND_POLICY, peerUnder(BOTH)).connection);
    const verify = spyOnVerify();
    await setTrust(BOTH);
    expect(verify).not.toHaveBeenCalled();
  });
});

describe("a change of revocations alone", () => {
  it("cuts the revoked peers, and verifies no certificate", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    for (let index = 0; index < 100; index += 1) {
      registry.add(openConnection("other", peerUnder(BOTH)).connection);
      registry.add(openConnection("revoked peer", peerUnder(BOTH, REVOKED_LEAF)).connection);
    }
    registry.add(openConnection("plaintext", undefined).connection);
    const verify = spyOnVerify();
    await setTrust(revokedIn(BOTH, "0a"));
    expect(verify).not.toHaveBeenCalled();
    expect(cuts).toEqual(Array.from({ length: 100 }, () => "revoked peer revoked"));
    expect(registry.size).toBe(101);
  });

  it("verifies none either after another root was added", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    registry.add(openConnection("a", peerUnder(BOTH, REVOKED_LEAF)).connection);
    const later = trustIn(OLD, NEXT);
    const verify = spyOnVerify();
    await setTrust(later);
    await setTrust(revokedIn(later, "B"));
    expect([verify.mock.calls.length, cuts.length]).toEqual([0, 0]);
    await setTrust(revokedIn(later));
    expect([verify.mock.calls.length, cuts]).toEqual([0, ["a revoked"]]);
  });

  it("is looked up in the path to the root that is trusted now", async () => {
    const { registry, cuts, setTrust } = createSide(BOTH);
    registry.add(openConnection("a", peerUnder(BOTH)).connection);
    await setTrust(revokedIn(trustIn(RENEWED), OLD.certificate.serialNumber));
    expect(cuts).toEqual([]);
    await setTrust(revokedIn(trustIn(RENEWED), RENEWED.certificate.serialNumber));
    expect(cuts).toEqual(["a revoked"]);
  });
});

describe("a connection that is added", () => {
  it.each([
    {
      name: "revocations",
      change: () => undefined,
      trust: revokedIn(BOTH, LEAF.serialNumber),
      reason: "revoked",
    },
    { name: "policy", change: (opened: Opened) => opened.forbid(), trust: BOTH, reason: "policy_changed" },
    { name: "trust", change: () => undefined, trust: trustIn(NEXT), reason: "trust_changed" },
  ])("is cut when $name has changed since its handshake", ({ change, trust, reason }) => {
    const { registry, cuts } = createSide(trust);
    const opened = openConnection(INBOUND_POLICY, peerUnder(BOTH));
    change(opened);
    registry.add(opened.connection);
    expect(cuts).toEqual([`inbound ${reason}`]);
  });
});
