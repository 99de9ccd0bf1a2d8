import { describe, expect, it } from "vitest";
import { Changing, settings } from "../../discovery/discovery-fixture.ts";
import type { FetchedDocument } from "../../discovery/documents/fetch-document.ts";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities, MeshSettings } from "../../mesh/mesh-settings.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { BundleEndpoints } from "./bundle-endpoints.ts";
import { bundleOf } from "./bundle-fixture.ts";

const MINUTE = 60_000;
const [one, two] = [mintRoot({ commonName: "one" }), mintRoot({ commonName: "two" })];
const A = "https://a.example/bundle?key=secret";
const B = "https://b.example/bundle";

function follow(url: string, ...domains: readonly string[]): ForeignAuthorities {
  return { kind: "bundle endpoint", url, trustDomains: domains.map(parseTrustDomain) };
}

function withEndpoints(...caCertificates: readonly ForeignAuthorities[]): MeshSettings {
  return { ...settings, caCertificates };
}

async function setup(...entries: readonly ForeignAuthorities[]) {
  const changing = new Changing(withEndpoints(...entries));
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const fetched: string[] = [];
  const counted: string[] = [];
  let changes = 0;
  const results = new Map<string, FetchedDocument | "hangs">([[A, document([one])]]);
  const endpoints = new BundleEndpoints({
    ...{ settings: changing, clock, log, random: () => 0.5 },
    fetch: (url, signal) => {
      fetched.push(url);
      const result = results.get(url) ?? { kind: "failed", reason: "ECONNREFUSED" };
      if (result !== "hangs") return Promise.resolve(result);
      return new Promise((resolve) => {
        signal.addEventListener("abort", () => resolve({ kind: "failed", reason: "it took too long" }));
      });
    },
    onFetched: (result) => void counted.push(result),
  });
  endpoints.subscribe(() => {
    changes += 1;
  });
  await settlePromises();
  const rootsOf = (url: string) => endpoints.rootsOf(url)?.map((pem) => (pem === one.pem ? "one" : "two"));
  return { changing, clock, log, fetched, counted, results, endpoints, rootsOf, changes: () => changes };
}

function document(roots: readonly MintedCertificate[], more: Readonly<Record<string, unknown>> = {}): FetchedDocument {
  return { kind: "document", text: bundleOf(roots, more) };
}

describe("a bundle endpoint", () => {
  it("is asked at once, and again as often as it wants", async () => {
    const { clock, fetched, results, rootsOf, changes } = await setup(follow(A, "a.example"));
    expect([rootsOf(A), changes()]).toEqual([["one"], 1]);
    results.set(A, document([one], { spiffe_refresh_hint: 120 }));
    await clock.advance(5 * MINUTE);
    expect([fetched.length, changes()]).toEqual([2, 1]);
    results.set(A, document([two]));
    await clock.advance(2 * MINUTE);
    expect([rootsOf(A), fetched.length, changes()]).toEqual([["two"], 3, 2]);
  });

  it("that is away keeps its last bundle, is asked again with backoff, and is reported with its age", async () => {
    const { clock, fetched, results, rootsOf, endpoints, log, counted } = await setup(follow(A, "a.example"));
    results.set(A, { kind: "failed", reason: "the server responded with the status 503" });
    await clock.advance(6 * MINUTE);
    expect(rootsOf(A)).toEqual(["one"]);
    expect(fetched.length).toBeGreaterThan(4);
    expect(endpoints.status()).toEqual([{ trustDomains: ["a.example"], ageMs: 6 * MINUTE }]);
    const [line] = log.find("federation_fetch_failed");
    expect(line).toMatchObject({ level: "warn", message: expect.stringContaining("the last good one stays in force") });
    expect(JSON.stringify(log.records)).not.toContain("secret");
    results.set(A, document([one]));
    await clock.advance(5 * MINUTE);
    expect(counted.at(-1)).toBe("success");
    expect(endpoints.status()[0]?.ageMs).toBeLessThan(5 * MINUTE);
  });

  it("that never responds is given up after 10 s, and has no roots", async () => {
    const { clock, results, rootsOf, log, changing, endpoints } = await setup();
    results.set(B, "hangs");
    changing.change(withEndpoints(follow(B, "b.example")));
    await clock.advance(10_000);
    expect(rootsOf(B)).toBeUndefined();
    expect(endpoints.status()).toEqual([{ trustDomains: ["b.example"], ageMs: undefined }]);
    expect(log.find("proxies keep those of its roots that they have")).toHaveLength(1);
  });

  it.each([
    { name: "an empty bundle", text: '{"keys":[]}', reason: "it is empty" },
    { name: "a web page", text: "<html>", reason: "not a JSON Web Key Set" },
    { name: "an older bundle", text: bundleOf([two], { spiffe_sequence: 6 }), reason: "is 6, which is older than 7" },
  ])("that sends $name is refused with an alarm, and its last bundle stays", async ({ text, reason }) => {
    const { clock, results, rootsOf, log, counted } = await setup(follow(A, "a.example"));
    results.set(A, document([one], { spiffe_sequence: 7 }));
    await clock.advance(5 * MINUTE);
    results.set(A, { kind: "document", text });
    await clock.advance(5 * MINUTE);
    expect(rootsOf(A)).toEqual(["one"]);
    expect(counted.at(-1)).toBe("refused");
    const [line] = log.find("federation_bundle_refused");
    expect(line).toMatchObject({ level: "error", fields: { reason: expect.stringContaining(reason) } });
  });

  it("that has once sent a high sequence number is followed again after an hour in which it sends only lower ones", async () => {
    const { clock, results, rootsOf, log, counted } = await setup(follow(A, "a.example"));
    results.set(A, document([one], { spiffe_sequence: 2 ** 53 }));
    await clock.advance(5 * MINUTE);
    results.set(A, document([two], { spiffe_sequence: 8 }));
    await clock.advance(60 * MINUTE);
    expect(rootsOf(A)).toEqual(["one"]);
    await clock.advance(12 * MINUTE);
    expect([rootsOf(A), counted.at(-1)]).toEqual([["two"], "success"]);
    expect(log.find("federation_sequence_restarted")).toMatchObject([
      { level: "warn", fields: { sequence: 8, lastSequence: 2 ** 53 } },
    ]);
    results.set(A, document([one], { spiffe_sequence: 7 }));
    await clock.advance(20 * MINUTE);
    expect([rootsOf(A), counted.at(-1)]).toEqual([["two"], "refused"]);
  });

  it("of which one replica is behind keeps the newer bundle", async () => {
    const { clock, results, rootsOf, log } = await setup(follow(A, "a.example"));
    const [newer, older] = [document([one], { spiffe_sequence: 8 }), document([two], { spiffe_sequence: 7 })];
    results.set(A, newer);
    await clock.advance(5 * MINUTE);
    for (let hour = 0; hour < 3; hour += 1) {
      results.set(A, older);
      await clock.advance(50 * MINUTE);
      results.set(A, newer);
      await clock.advance(10 * MINUTE);
      expect(rootsOf(A)).toEqual(["one"]);
    }
    expect(log.find("federation_sequence_restarted")).toEqual([]);
  });

  it("is forgotten with the last entry that names it, also while it is asked", async () => {
    const { changing, clock, results, rootsOf, fetched, log } = await setup(
      follow(A, "a.example"),
      follow(B, "b.example"),
    );
    results.set(A, "hangs");
    await clock.advance(5 * MINUTE);
    const asked = fetched.length;
    changing.change(withEndpoints());
    await clock.advance(60 * MINUTE);
    expect([rootsOf(A), rootsOf(B), fetched.length, clock.pendingTimers]).toEqual([undefined, undefined, asked, 0]);
    expect(log.find("it took too long")).toEqual([]);
  });

  it("of several entries is asked once", async () => {
    const { fetched, endpoints } = await setup(follow(A, "a.example"), follow(A, "b.example"));
    expect(fetched).toEqual([A]);
    expect(endpoints.status()[0]?.trustDomains).toEqual(["a.example", "b.example"]);
    endpoints.stop();
  });
});
