import { randomBytes, X509Certificate } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createCsr, filesOf, type MintedAuthority } from "./authority-fixture.ts";
import { createLiveAuthority, type LiveAuthority } from "./live-authority.ts";
import { parseTrustedMaterial } from "./trusted-material.ts";

const PUBLISH_MS = 180_000;
const trustDomain = parseTrustDomain("cluster.local");
const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const oldRoot = mintRoot({ commonName: "old" });
const newRoot = mintRoot({ commonName: "new" });
const otherRoot = mintRoot({ commonName: "other" });
const oldSigner = mintRoot({ commonName: "old signer", issuer: oldRoot });
const renewedSigner = mintRoot({ commonName: "renewed signer", issuer: oldRoot });
const newSigner = mintRoot({ commonName: "new signer", issuer: newRoot });

const log = new RecordingLogger();
let clock: FakeClock;
let authority: LiveAuthority;
let changes: number;

function parse(minted: MintedAuthority) {
  return parseTrustedMaterial(filesOf(minted), { trustDomain, clock, randomBytes });
}

async function adopt(minted: MintedAuthority) {
  return authority.adopt(await parse(minted));
}

beforeEach(async () => {
  clock = new FakeClock();
  authority = createLiveAuthority(await parse({ signer: oldSigner, roots: [oldRoot] }), { clock, log, randomBytes });
  changes = 0;
  authority.subscribe(() => {
    changes += 1;
  });
});

function issue(): Promise<readonly string[]> {
  return authority.signWorkload({ csrPem: createCsr(), identity, lifetimeMs: 3_600_000 });
}

/** The roots that accept a chain. */
function acceptedBy(chain: readonly string[]): readonly MintedCertificate[] {
  const certificates = chain.slice(0, -1).map((pem) => new X509Certificate(pem));
  return [oldRoot, newRoot, otherRoot].filter(({ certificate }) => {
    const roots = [certificate];
    const verdict = verifyPeer({
      certificates,
      sessionReused: false,
      roots,
      trustDomains: [trustDomain],
      nowMs: clock.now(),
    });
    return verdict.kind === "trusted";
  });
}

const pemsOf = (...roots: readonly MintedCertificate[]) => roots.map(({ certificate }) => certificate.toString());

describe("a change of a running authority", () => {
  it("to a renewed certificate of the same root signs at once", async () => {
    expect((await adopt({ signer: renewedSigner, roots: [oldRoot] })).kind).toBe("adopted");
    expect((await issue())[1]).toBe(renewedSigner.certificate.toString());
    expect(changes).toBe(1);
  });

  it("to a new root publishes it, and signs with it three minutes later", async () => {
    expect((await adopt({ signer: newSigner, roots: [oldRoot, newRoot] })).kind).toBe("adopted");
    expect(authority.roots()).toEqual(pemsOf(oldRoot, newRoot));
    expect(acceptedBy(await issue())).toEqual([oldRoot]);
    expect((await issue()).at(-1)).toBe(pemsOf(oldRoot, newRoot).join(""));
    await clock.advance(PUBLISH_MS - 1);
    expect(acceptedBy(await issue())).toEqual([oldRoot]);
    expect(authority.signingRoot()).toBe(oldRoot.certificate.toString());
    await clock.advance(1);
    expect(acceptedBy(await issue())).toEqual([newRoot]);
    expect(authority.signingRoot()).toBe(newRoot.certificate.toString());
    expect(changes).toBe(2);
    expect(authority.expiry().chainNotAfterMs).toBe(newSigner.certificate.validToDate.getTime());
  });

  it("in three steps, as operators know it, signs with the new root at once and ends without the old one", async () => {
    await adopt({ signer: oldSigner, roots: [oldRoot, newRoot] });
    await clock.advance(PUBLISH_MS);
    await adopt({ signer: newSigner, roots: [oldRoot, newRoot] });
    expect(acceptedBy(await issue())).toEqual([newRoot]);
    expect((await adopt({ signer: newSigner, roots: [newRoot] })).kind).toBe("adopted");
    expect(authority.roots()).toEqual(pemsOf(newRoot));
  });

  it("that removes a root while certificates of it are valid is logged with their end", async () => {
    const removal = "a root was removed while certificates of it are valid";
    await issue();
    await adopt({ signer: newSigner, roots: [oldRoot, newRoot] });
    await clock.advance(PUBLISH_MS);
    const before = log.find(removal).length;
    await adopt({ signer: newSigner, roots: [newRoot] });
    expect(log.find(removal).slice(before)).toMatchObject([{ fields: { until: "2030-01-01T01:00:00.000Z" } }]);
  });

  it("that removes a root whose certificates have expired is not", async () => {
    await issue();
    await adopt({ signer: newSigner, roots: [oldRoot, newRoot] });
    await clock.advance(3_600_000);
    const before = log.find("a root was removed").length;
    await adopt({ signer: newSigner, roots: [newRoot] });
    expect(log.find("a root was removed")).toHaveLength(before);
  });

  it("may add and remove roots that sign nothing", async () => {
    await adopt({ signer: oldSigner, roots: [oldRoot, otherRoot] });
    expect(authority.roots()).toEqual(pemsOf(oldRoot, otherRoot));
    await adopt({ signer: oldSigner, roots: [oldRoot] });
    expect(authority.roots()).toEqual(pemsOf(oldRoot));
  });

  it.each([
    { name: "another root alone", minted: { signer: newSigner, roots: [newRoot] } },
    { name: "a bundle without the root that signs", minted: { signer: newSigner, roots: [newRoot, otherRoot] } },
  ])("to $name is refused with the fix: all current certificates would end", async ({ minted }) => {
    const adoption = await adopt(minted);
    expect(adoption).toMatchObject({ kind: "refused", message: expect.stringContaining("add it") });
    expect(authority.roots()).toEqual(pemsOf(oldRoot));
    expect(acceptedBy(await issue())).toEqual([oldRoot]);
    expect(changes).toBe(0);
  });

  it("to the same root with a later end is accepted: chains lead to both", async () => {
    const reissued = mintRoot({ commonName: "old", key: oldRoot.key, notAfter: new Date("2044-01-01") });
    expect((await adopt({ signer: oldSigner, roots: [reissued] })).kind).toBe("adopted");
    expect(acceptedBy(await issue())).toEqual([oldRoot]);
  });

  it("to what is in force changes nothing", async () => {
    expect(await adopt({ signer: oldSigner, roots: [oldRoot] })).toEqual({ kind: "unchanged" });
    expect(changes).toBe(0);
  });
});

describe("a signer that waits for its root to be known", () => {
  beforeEach(() => adopt({ signer: newSigner, roots: [oldRoot, newRoot] }));

  it("is given up when the change is taken back", async () => {
    await adopt({ signer: oldSigner, roots: [oldRoot] });
    await clock.advance(PUBLISH_MS);
    expect(acceptedBy(await issue())).toEqual([oldRoot]);
    expect(authority.roots()).toEqual(pemsOf(oldRoot));
  });

  it("stays when a later change is refused", async () => {
    expect((await adopt({ signer: newSigner, roots: [newRoot] })).kind).toBe("refused");
    await clock.advance(PUBLISH_MS);
    expect(acceptedBy(await issue())).toEqual([newRoot]);
  });

  it("waits no longer when the bundle grows meanwhile", async () => {
    await clock.advance(PUBLISH_MS / 2);
    await adopt({ signer: newSigner, roots: [oldRoot, newRoot, otherRoot] });
    await clock.advance(PUBLISH_MS / 2);
    expect(acceptedBy(await issue())).toEqual([newRoot]);
  });

  it("waits again if its root was gone in between", async () => {
    await adopt({ signer: oldSigner, roots: [oldRoot] });
    await clock.advance(PUBLISH_MS);
    await adopt({ signer: newSigner, roots: [oldRoot, newRoot] });
    expect(acceptedBy(await issue())).toEqual([oldRoot]);
  });

  it("never signs once the authority has stopped", async () => {
    authority.stop();
    await clock.advance(PUBLISH_MS);
    expect(acceptedBy(await issue())).toEqual([oldRoot]);
    expect(clock.pendingTimers).toBe(0);
  });
});
