import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { fail, HOUR_MS, IDENTITY, LIFE_MS, OTHER_ROOT, ROOT, SvidFixture, trustDomains } from "./svid-fixture.ts";

let svid: SvidFixture;

beforeEach(async () => {
  svid = new SvidFixture();
  await svid.start();
});

afterEach(() => svid.manager.stop());

function trust(roots: readonly MintedCertificate[], signing?: MintedCertificate): void {
  svid.source.setTrust({
    roots: roots.map(({ certificate }) => certificate),
    trustDomains,
    ...(signing && { signingRoot: signing.certificate }),
  });
}

/** How long after the change the certificate is requested, in milliseconds. */
async function renewalAfter(change: () => void, withinMs: number): Promise<number | undefined> {
  const startMs = svid.clock.now();
  change();
  await svid.clock.advance(withinMs);
  return svid.requests[1] === undefined ? undefined : svid.requests[1] - startMs;
}

describe("a change of the trust bundle", () => {
  it("causes no renewal while the own root stays in it", async () => {
    expect(await renewalAfter(() => trust([ROOT, OTHER_ROOT], ROOT), HOUR_MS)).toBeUndefined();
  });

  it.each([
    { name: "at once", share: 0, afterMs: 0 },
    { name: "within a second", share: 0.5, afterMs: 1000 },
    { name: "after two seconds at most", share: 0.9999, afterMs: 2000 },
  ])("causes a renewal $name when peers with the new bundle refuse the certificate", async ({ share, afterMs }) => {
    svid.share = share;
    svid.answers = [svid.issue({ issuer: OTHER_ROOT })];
    const actual = await renewalAfter(() => trust([OTHER_ROOT], OTHER_ROOT), 10_000);
    expect(actual).toBeGreaterThanOrEqual(afterMs - 1);
    expect(actual).toBeLessThanOrEqual(afterMs + 1);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(2);
  });

  it.each([
    { name: "soon", share: 0.01, hours: 0.024 },
    { name: "in the middle", share: 0.5, hours: 1.2 },
    { name: "late", share: 0.9999, hours: 2.4 },
  ])("spreads renewals over a tenth of the lifetime when another root signs: $name", async ({ share, hours }) => {
    svid.share = share;
    svid.answers = [svid.issue({ issuer: OTHER_ROOT })];
    const actual = await renewalAfter(() => trust([ROOT, OTHER_ROOT], OTHER_ROOT), 3 * HOUR_MS);
    expect(actual).toBeGreaterThan(hours * HOUR_MS * 0.95);
    expect(actual).toBeLessThan(hours * HOUR_MS * 1.05);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(2);
  });

  it("does not delay a renewal that is due earlier", async () => {
    await svid.clock.advance(11.9 * HOUR_MS);
    svid.share = 0.9999;
    expect(await renewalAfter(() => trust([ROOT, OTHER_ROOT], OTHER_ROOT), HOUR_MS)).toBeLessThan(0.11 * HOUR_MS);
  });

  it("is taken back by the next one: two control planes need not switch at the same moment", async () => {
    trust([ROOT, OTHER_ROOT], OTHER_ROOT);
    trust([ROOT, OTHER_ROOT], ROOT);
    await svid.clock.advance(11 * HOUR_MS);
    expect(svid.requests).toHaveLength(1);
  });

  it("is none for a root that was issued again with the same key", async () => {
    const again = mintRoot({ key: ROOT.key, notAfter: new Date("2050-01-01T00:00:00Z") });
    expect(await renewalAfter(() => trust([again], again), HOUR_MS)).toBeUndefined();
  });

  it("during an attempt is looked at when the attempt ends", async () => {
    svid.answers = [
      async (key) => {
        const response = await svid.issue({ controlPlaneRoots: [ROOT] })(key);
        trust([OTHER_ROOT], OTHER_ROOT);
        return response;
      },
      svid.issue({ issuer: OTHER_ROOT }),
    ];
    await svid.clock.advance(12 * HOUR_MS + 3000);
    expect(svid.requests).toHaveLength(3);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests).toHaveLength(3);
  });

  it("shortens the wait after a failed attempt when peers refuse the certificate", async () => {
    svid.answers = [fail()];
    svid.share = 0.9999;
    await svid.clock.advance(14 * HOUR_MS);
    await settlePromises();
    const startMs = svid.clock.now();
    const attempts = svid.requests.length;
    trust([OTHER_ROOT], OTHER_ROOT);
    await svid.clock.advance(6000);
    expect(svid.requests.length).toBeGreaterThan(attempts);
    expect((svid.requests[attempts] ?? 0) - startMs).toBeLessThanOrEqual(5000);
  });

  it("is asked about ever more rarely if the authority still signs with the withdrawn root", async () => {
    svid.answers = [svid.issue({ controlPlaneRoots: [ROOT] })];
    svid.share = 0.9999;
    trust([OTHER_ROOT], OTHER_ROOT);
    await svid.clock.advance(HOUR_MS);
    expect(svid.requests.length).toBeGreaterThan(10);
    expect(svid.requests.length).toBeLessThan(25);
    expect(svid.log.find("peers refuse")).toHaveLength(1);
  });
});

it("a sidecar recovers after the mesh's root was replaced while it was suspended", async () => {
  svid.clock.jump(LIFE_MS + HOUR_MS);
  svid.answers = [svid.issue({ issuer: OTHER_ROOT, controlPlaneRoots: [OTHER_ROOT] })];
  await svid.clock.advance(10_001);
  expect(svid.source.current()?.identity).toBe(IDENTITY);
  // With this certificate the discovery stream opens, and brings the new bundle.
  trust([OTHER_ROOT], OTHER_ROOT);
  await svid.clock.advance(HOUR_MS);
  expect(svid.requests).toHaveLength(2);
});
