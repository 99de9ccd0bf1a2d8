import { generateKeyPairSync } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Clock, Random } from "../../mesh/runtime.ts";
import { createTlsContext } from "../../net/tls/tls-contexts.ts";
import { createSvidKey } from "./csr.ts";
import { FleetClock } from "./fleet-clock-fixture.ts";
import type { CertificateResponse } from "./request-svid.ts";
import type { SecureMaterial, Svid, WritableSecureContextSource } from "./secure-context-source.ts";
import { HOUR_MS, IDENTITY, issueCertificate, trustDomains } from "./svid-fixture.ts";
import { type SvidManager, startSvidManager } from "./svid-manager.ts";
import type { TrustAnchors } from "./trust-anchors.ts";

const SIDECARS = 1000;
/**
 * The lifetime of a certificate, and with it every interval of a renewal, is a 600th of a day: a window of one percent of
 * half a lifetime is 7 minutes of a mesh with certificates of 24 hours, and 0.72 s here.
 */
const LIFE_MS = 144_000;
const HALF_MS = LIFE_MS / 2;
const WINDOW_MS = HALF_MS / 100;
/** One key for all, and no context for handshakes: making them is not what is simulated. */
const KEY = createSvidKey();
const CONTEXT = createTlsContext({});
/** RSA: its signatures are verified soonest. */
const mintRsaRoot = (commonName: string) =>
  mintRoot({ commonName, key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey });
const [ROOT, OTHER_ROOT] = [mintRsaRoot("root"), mintRsaRoot("other root")];

/** As the shipped source, without handshakes. */
class FleetSource implements WritableSecureContextSource {
  readonly #clock: Clock;
  readonly #listeners = new Set<(material: SecureMaterial) => void>();
  #trust: TrustAnchors = { roots: [ROOT.certificate], trustDomains };
  #material: SecureMaterial | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  current(): SecureMaterial | undefined {
    const material = this.#material;
    return material !== undefined && this.#clock.now() <= material.notAfterMs ? material : undefined;
  }

  trust(): TrustAnchors {
    return this.#trust;
  }

  subscribe(listener: (material: SecureMaterial) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  setSvid({ identity, certificates, notAfterMs }: Svid): void {
    const generation = (this.#material?.generation ?? 0) + 1;
    this.#publish({ generation, context: CONTEXT, trust: this.#trust, identity, certificates, notAfterMs });
  }

  setTrust(trust: TrustAnchors): void {
    this.#trust = trust;
    if (this.#material !== undefined) this.#publish({ ...this.#material, trust });
  }

  contextTrusting(): undefined {
    return undefined;
  }

  #publish(material: SecureMaterial): void {
    this.#material = material;
    for (const listener of [...this.#listeners]) listener(material);
  }
}

/** The same numbers for the same seed, by Mulberry32. */
function randomFrom(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A thousand certificate managers, started at the same moment, and their authority. */
class Fleet {
  readonly clock = new FleetClock(() => this.issued.length + this.failed.length);
  readonly #random = randomFrom(20_300_101);
  readonly #sources: WritableSecureContextSource[] = [];
  /** When each request was made that got a certificate, and each that did not, by `atMs`. */
  readonly issued: number[] = [];
  readonly failed: number[] = [];
  issuer = ROOT;
  isAway = false;
  readonly #managers: SvidManager[] = [];
  readonly #lifeMs: number;
  /** By time and root: of certificates that end at the same second one is enough. */
  readonly #minted = new Map<string, CertificateResponse>();

  constructor(lifeMs: number) {
    this.#lifeMs = lifeMs;
  }

  start(): void {
    for (let index = 0; index < SIDECARS; index += 1) {
      const source = new FleetSource(this.clock);
      this.#sources.push(source);
      this.#managers.push(
        startSvidManager({
          ...{ identity: IDENTITY, source, clock: this.clock, log: new RecordingLogger(), random: this.#random },
          createKey: () => KEY,
          request: async () => this.#answer(),
        }),
      );
    }
  }

  stop(): void {
    for (const manager of this.#managers) manager.stop();
  }

  /** By the monotonic clock: a jump of the wall clock is not counted. */
  get atMs(): number {
    return this.clock.monotonicMs();
  }

  /** The share of sidecars without a valid certificate. */
  get shareWithout(): number {
    return this.#sources.filter((source) => source.current() === undefined).length / SIDECARS;
  }

  /** The share of those whose last attempt failed. */
  get waiting(): number {
    return this.#managers.filter((manager) => manager.state().kind === "retrying").length / SIDECARS;
  }

  trust(trust: Omit<TrustAnchors, "trustDomains">): void {
    for (const source of this.#sources) source.setTrust({ ...trust, trustDomains });
  }

  #answer(): CertificateResponse {
    (this.isAway ? this.failed : this.issued).push(this.atMs);
    if (this.isAway) throw new Error("connection refused");
    const secondMs = Math.floor(this.clock.now() / 1000) * 1000;
    const name = `${secondMs} ${this.issuer.pem}`;
    const response =
      this.#minted.get(name) ??
      issueCertificate({ issuer: this.issuer, key: KEY, nowMs: secondMs, lifeMs: this.#lifeMs });
    this.#minted.set(name, response);
    return response;
  }
}

/** The largest share of all sidecars whose event falls into one window, among events of a span. */
function largestShare(times: readonly number[], windowMs: number, [fromMs, toMs]: readonly [number, number]): number {
  const sorted = times.filter((time) => time >= fromMs && time < toMs).sort((one, other) => one - other);
  let first = 0;
  let most = 0;
  for (const [last, time] of sorted.entries()) {
    while ((sorted[first] ?? 0) < time - windowMs) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most / SIDECARS;
}

function report(what: string, shares: readonly number[]): void {
  process.stdout.write(`${what}: ${shares.map((share) => `${(share * 100).toFixed(1)} %`).join(", ")}\n`);
}

let fleet: Fleet;
afterEach(() => fleet.stop());

it("a thousand sidecars that were started together do not renew together", { timeout: 120_000 }, async () => {
  fleet = new Fleet(LIFE_MS);
  fleet.start();
  await fleet.clock.advance(4.5 * HALF_MS);
  const spans = [1, 2, 3, 4].map((turn) => [(turn - 0.5) * HALF_MS, (turn + 0.5) * HALF_MS] as const);
  const shares = spans.map((span) => largestShare(fleet.issued, WINDOW_MS, span));
  report("largest share of renewals within 1 % of half a lifetime, by turn", shares);
  // Uniform over a fifth of the half life is 5 %; each turn adds its own jitter.
  for (const [turn, limit] of [0.08, 0.065, 0.06, 0.055].entries()) {
    expect(shares[turn]).toBeGreaterThan(0);
    expect(shares[turn]).toBeLessThan(limit);
  }
  expect(fleet.shareWithout).toBe(0);
});

it("an authority that was away for an hour is not overrun when it is back", { timeout: 120_000 }, async () => {
  fleet = new Fleet(24 * HOUR_MS);
  fleet.start();
  await fleet.clock.advance(1);
  // The first renewals are due between 10.8 and 13.2 hours: a fifth of them in the outage.
  fleet.clock.jump(10.3 * HOUR_MS);
  fleet.isAway = true;
  await fleet.clock.advance(HOUR_MS);
  const waiting = fleet.waiting;
  fleet.isAway = false;
  const backMs = fleet.atMs;
  await fleet.clock.advance(70_000);
  const shares = [1000, 10_000].map((windowMs) => largestShare(fleet.issued, windowMs, [backMs, backMs + 70_000]));
  report(`largest share of ${SIDECARS} sidecars that come back within one second, and within ten`, shares);
  report("share that failed during the outage", [waiting]);
  expect(waiting).toBeGreaterThan(0.15);
  expect(fleet.waiting).toBe(0);
  expect(shares[0]).toBeLessThan(waiting * 0.12);
  expect(shares[1]).toBeLessThan(waiting * 0.4);
  // Requests a second to an authority that cannot serve them.
  expect(fleet.failed.length / 3600).toBeLessThan(SIDECARS * 0.02);
  expect(fleet.shareWithout).toBe(0);
});

it("a thousand sidecars whose root was superseded renew spread over a tenth of the lifetime", {
  timeout: 120_000,
}, async () => {
  fleet = new Fleet(LIFE_MS);
  fleet.start();
  await fleet.clock.advance(1);
  fleet.issuer = OTHER_ROOT;
  fleet.trust({ roots: [ROOT.certificate, OTHER_ROOT.certificate], signingRoot: OTHER_ROOT.certificate });
  const fromMs = fleet.atMs;
  await fleet.clock.advance(LIFE_MS / 10 + 1000);
  const shares = [largestShare(fleet.issued, LIFE_MS / 1000, [fromMs, fleet.atMs])];
  report("largest share of renewals within 1 % of a tenth of the lifetime, after another root signs", shares);
  expect(fleet.issued).toHaveLength(2 * SIDECARS);
  expect(shares[0]).toBeLessThan(0.025);
  // The old root can go: nobody is asked again.
  fleet.trust({ roots: [OTHER_ROOT.certificate], signingRoot: OTHER_ROOT.certificate });
  await fleet.clock.advance(10_000);
  expect(fleet.issued).toHaveLength(2 * SIDECARS);
});

it("a thousand sidecars whose root was withdrawn by force renew within two seconds, not at once", async () => {
  fleet = new Fleet(LIFE_MS);
  fleet.start();
  await fleet.clock.advance(1);
  fleet.issuer = OTHER_ROOT;
  fleet.trust({ roots: [OTHER_ROOT.certificate] });
  const fromMs = fleet.atMs;
  await fleet.clock.advance(2001);
  report("largest share within 100 ms, after the root was withdrawn", [
    largestShare(fleet.issued, 100, [fromMs, fleet.atMs]),
  ]);
  expect(fleet.issued).toHaveLength(2 * SIDECARS);
  expect(largestShare(fleet.issued, 100, [fromMs, fleet.atMs])).toBeLessThan(0.08);
});
