import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { createSvidKey } from "./csr.ts";
import { type Answer, HOUR_MS, IDENTITY, OTHER_ROOT, ROOT, SvidFixture } from "./svid-fixture.ts";

let svid: SvidFixture;

beforeEach(() => {
  svid = new SvidFixture();
});

afterEach(() => svid.manager.stop());

describe("svidFromIssued, through the manager", () => {
  it.each<{ name: string; answer: () => Answer; reason: RegExp }>([
    {
      name: "another key",
      answer: () => () => svid.issue()(createSvidKey()),
      reason: /another key/,
    },
    {
      name: "another identity",
      answer: () => svid.issue({ uriSans: ["spiffe://cluster.local/ns/ns1/sa/admin"] }),
      reason: /is spiffe:\/\/cluster\.local\/ns\/ns1\/sa\/admin, expected/,
    },
    {
      name: "a foreign trust domain",
      answer: () => svid.issue({ uriSans: ["spiffe://evil/ns/ns1/sa/hello"] }),
      reason: /trust domain/,
    },
    { name: "two identities", answer: () => svid.issue({ uriSans: [IDENTITY, IDENTITY] }), reason: /2 URI names/ },
    { name: "an untrusted root", answer: () => svid.issue({ issuer: OTHER_ROOT }), reason: /no chain leads/ },
    {
      name: "an end in the past",
      answer: () => svid.issue({ lifeMs: -1000 }),
      reason: /expired: now 2030-01-01T12:00:00\.000Z.*notAfter 2030-01-01T11:59:59/,
    },
    {
      name: "a beginning in the future",
      answer: () => svid.issue({ notBefore: new Date("2030-01-01T13:00:00Z") }),
      reason: /not valid yet: now 2030-01-01T12:00:00\.000Z, notBefore 2030-01-01T13:00:00/,
    },
    { name: "no use as a server", answer: () => svid.issue({ usages: ["client"] }), reason: /usage/ },
    { name: "no use as a client", answer: () => svid.issue({ usages: ["server"] }), reason: /usage/ },
    {
      name: "no certificate in the response",
      answer: () => async () => ({ chain: [], controlPlaneRoots: [] }),
      reason: /without a certificate/,
    },
    {
      name: "something that is not a certificate",
      answer: () => async () => ({
        chain: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
        controlPlaneRoots: [],
      }),
      reason: /cannot be read/,
    },
  ])("does not use a certificate with $name, and keeps the old one", async ({ answer, reason }) => {
    await svid.start();
    const before = svid.source.current();
    svid.answers = [answer(), svid.issue()];
    await svid.clock.advance(12 * HOUR_MS);
    expect(svid.manager.state()).toMatchObject({ kind: "retrying", failures: 1 });
    const state = svid.manager.state();
    expect(state.kind === "retrying" && state.reason).toMatch(reason);
    expect(svid.source.current()).toBe(before);
    await svid.clock.advance(1000);
    expect(svid.source.current()?.generation).toBe(2);
  });

  /** The issued certificate, followed by these, each in an entry of its own or all in one. */
  const issueWith =
    (others: readonly string[]): Answer =>
    async (key) => {
      const issued = await svid.issue()(key);
      return { ...issued, chain: [...issued.chain.slice(0, 1), ...others] };
    };

  it.each([
    { name: "in one entry, as our authority sends it", entriesOf: (pems: readonly string[]) => [pems.join("")] },
    { name: "in an entry for each root", entriesOf: (pems: readonly string[]) => pems },
  ])("uses a certificate that comes with a bundle of as many roots as an authority may have, $name", async (form) => {
    const others = Array.from({ length: 63 }, (_, index) => mintRoot({ commonName: `root ${index}` }).pem);
    svid.answers = [issueWith(form.entriesOf([ROOT.pem, ...others]))];
    await svid.start();
    expect(svid.source.current()?.certificates).toHaveLength(1);
  });

  it("does not use a certificate with more intermediates than peers accept", async () => {
    const others = Array.from({ length: 5 }, (_, index) => mintRoot({ issuer: ROOT, commonName: `ca ${index}` }).pem);
    svid.answers = [issueWith(others)];
    await svid.start();
    expect(svid.manager.state()).toMatchObject({ reason: expect.stringMatching(/6 certificates; at most 5/) });
  });

  it("reads no response of more entries than any authority sends", async () => {
    svid.answers = [issueWith(Array.from({ length: 300 }, () => ROOT.pem))];
    await svid.start();
    expect(svid.manager.state()).toMatchObject({ reason: expect.stringMatching(/301 entries/) });
  });
});
