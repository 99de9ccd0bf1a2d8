import type { KeyObject } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../mesh/fake-clock.ts";
import {
  type MintedCertificate,
  type MintLeafOptions,
  mintLeaf,
  mintRoot,
} from "../../mesh/identity/mint-certificate.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger.ts";
import { createSvidKey } from "./csr.ts";
import { createSecureContextSource, type WritableSecureContextSource } from "./secure-context-source.ts";
import { type CertificateAnswer, type SvidManager, startSvidManager } from "./svid-manager.ts";

const IDENTITY = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const ROOT = mintRoot();
const OTHER_ROOT = mintRoot({ commonName: "other root" });
const trustDomains = [parseTrustDomain("cluster.local")];
const HOUR_MS = 3_600_000;
const LIFE_MS = 24 * HOUR_MS;

/** Answers one request, given the key that it was made with. */
type Answer = (key: KeyObject) => Promise<CertificateAnswer>;

let clock: FakeClock;
let log: RecordingLogger;
let source: WritableSecureContextSource;
let manager: SvidManager;
/** Answers in turn; the last one stays. */
let answers: Answer[];
let keys: KeyObject[];
/** When each request was made. */
let requests: number[];
let share: number;

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  source = createSecureContextSource({ trust: { roots: [ROOT.certificate], trustDomains }, clock });
  answers = [issue()];
  keys = [];
  requests = [];
  share = 0.5;
});

afterEach(() => manager.stop());

async function start(): Promise<void> {
  manager = startSvidManager({
    identity: IDENTITY,
    source,
    clock,
    log,
    random: () => share,
    createKey: () => {
      const key = createSvidKey();
      keys.push(key);
      return key;
    },
    request: () => {
      requests.push(clock.now());
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      const key = keys.at(-1);
      return answer === undefined || key === undefined ? Promise.reject(new Error("no answer")) : answer(key);
    },
  });
  await settlePromises();
}

interface IssueOptions extends Partial<MintLeafOptions> {
  readonly lifeMs?: number;
  readonly controlPlaneRoots?: readonly MintedCertificate[];
}

function issue({ lifeMs = LIFE_MS, controlPlaneRoots = [], ...leaf }: IssueOptions = {}): Answer {
  return async (key) => {
    const issuer = leaf.issuer ?? ROOT;
    const minted = mintLeaf({
      issuer,
      uriSans: [IDENTITY],
      notBefore: new Date(clock.now() - 120_000),
      notAfter: new Date(clock.now() + lifeMs),
      key,
      ...leaf,
    });
    return {
      chain: [minted.pem, issuer.pem],
      controlPlaneRoots: controlPlaneRoots.map(({ certificate }) => certificate),
    };
  };
}

function fail(message = "connection refused"): Answer {
  return () => Promise.reject(new Error(message));
}

const silence: Answer = () => new Promise(() => undefined);

describe("startSvidManager", () => {
  it("publishes a certificate with the key that it asked for, without the root", async () => {
    await start();
    const material = source.current();
    expect(material).toMatchObject({ generation: 1, identity: IDENTITY });
    expect(material?.certificates).toHaveLength(1);
    expect(material?.certificates[0]?.checkPrivateKey(keys[0] ?? createSvidKey())).toBe(true);
    expect(manager.readiness()).toEqual({ ready: true });
  });

  it("has nothing to show before the first certificate, says why, and goes on trying", async () => {
    answers = [fail(), fail(), issue()];
    await start();
    expect(source.current()).toBeUndefined();
    expect(manager.readiness()).toEqual({
      ready: false,
      reason: "there is no certificate yet: unexpected: connection refused",
    });
    await clock.advance(1000);
    expect(source.current()?.identity).toBe(IDENTITY);
    expect(requests).toHaveLength(3);
  });

  it("waits longer after each failure, and briefly again after a success", async () => {
    answers = [fail(), fail(), fail(), fail(), issue({ lifeMs: 60_000 }), fail(), fail(), issue()];
    share = 0.999;
    await start();
    await clock.advance(40_000);
    const waits = requests.slice(1).map((time, index) => Math.round((time - (requests[index] ?? 0)) / 100) * 100);
    expect(waits.slice(0, 4)).toEqual([100, 200, 400, 800]);
    // Then half of the certificate's minute and a tenth of that, and from the beginning again.
    expect(waits[4]).toBeGreaterThan(32_000);
    expect(waits[4]).toBeLessThan(33_100);
    expect(waits.slice(5)).toEqual([100, 200]);
  });

  it("never waits longer than a tenth of the life that is left", async () => {
    answers = [issue({ lifeMs: 20_000 }), fail()];
    share = 0.999;
    await start();
    await clock.advance(19_000);
    const waits = requests
      .slice(2)
      .map((time, index) => ({ wait: time - (requests[index + 1] ?? 0), at: requests[index + 1] ?? 0 }));
    expect(waits.length).toBeGreaterThan(10);
    const end = source.current()?.notAfterMs ?? 0;
    for (const { wait, at } of waits) expect(wait).toBeLessThanOrEqual(Math.max(100, (end - at) / 10) + 1);
  });

  it.each([
    { name: "earliest", share: 0, hours: 10.8 },
    { name: "middle", share: 0.5, hours: 12 },
    { name: "latest", share: 0.9999, hours: 13.2 },
  ])("replaces a certificate at half of its life, $name at $hours hours", async ({ share: chosen, hours }) => {
    share = chosen;
    await start();
    const [first] = source.current()?.certificates ?? [];
    await clock.advance(hours * HOUR_MS - 60_000);
    expect(source.current()?.certificates[0]).toBe(first);
    await clock.advance(120_000);
    expect(source.current()?.generation).toBe(2);
    expect(keys).toHaveLength(2);
    expect(keys[0]?.equals(keys[1] ?? createSvidKey())).toBe(false);
  });

  it("keeps the old certificate while no new one comes, and shows none once it has ended", async () => {
    answers = [issue(), fail("no route to host")];
    await start();
    await clock.advance(LIFE_MS - 60_000);
    expect(source.current()?.generation).toBe(1);
    expect(manager.readiness()).toEqual({ ready: true });
    await clock.advance(120_000);
    expect(source.current()).toBeUndefined();
    const readiness = manager.readiness();
    expect(readiness.ready === false && readiness.reason).toMatch(
      /expired \(ended at 2030-01-02T00:00:00\.000Z, it is 2030-01-02T00:01:00\.000Z\).*no route to host/,
    );
    expect(log.find("certificate_expired")).toHaveLength(1);
    answers = [issue()];
    await clock.advance(20_000);
    expect(source.current()?.generation).toBe(2);
    expect(manager.readiness()).toEqual({ ready: true });
  });

  it("renews soon after a machine slept past the time", async () => {
    await start();
    clock.jump(LIFE_MS - HOUR_MS);
    await clock.advance(10_000);
    expect(source.current()?.generation).toBe(2);
  });

  it("shows nothing at once when a machine slept past the end, and recovers", async () => {
    await start();
    clock.jump(LIFE_MS + HOUR_MS);
    expect(source.current()).toBeUndefined();
    await clock.advance(10_000);
    expect(log.find("certificate_expired")).toHaveLength(1);
    expect(source.current()?.generation).toBe(2);
  });

  it("is not held up by a wall clock that is set back between two attempts", async () => {
    answers = [fail(), issue()];
    await start();
    clock.jump(-HOUR_MS);
    await clock.advance(1000);
    expect(source.current()?.generation).toBe(1);
  });

  it("copes with a life of years and with one of no time", async () => {
    answers = [issue({ lifeMs: 5 * 365 * 24 * HOUR_MS }), issue({ lifeMs: 0 })];
    await start();
    await clock.advance(HOUR_MS);
    expect(requests).toHaveLength(1);
    clock.jump(4 * 365 * 24 * HOUR_MS);
    await clock.advance(13_000);
    expect(requests.length).toBeGreaterThan(1);
    expect(requests.length).toBeLessThan(10);
  });

  it("gives up an attempt that is never answered", async () => {
    answers = [silence, issue()];
    await start();
    await clock.advance(19_000);
    expect(requests).toHaveLength(1);
    await clock.advance(2000);
    expect(source.current()?.generation).toBe(1);
  });

  it.each<{ name: string; answer: () => Answer; reason: RegExp }>([
    {
      name: "another key",
      answer: () => () => issue()(createSvidKey()),
      reason: /another key/,
    },
    {
      name: "another identity",
      answer: () => issue({ uriSans: ["spiffe://cluster.local/ns/ns1/sa/admin"] }),
      reason: /is spiffe:\/\/cluster\.local\/ns\/ns1\/sa\/admin, expected/,
    },
    {
      name: "a foreign trust domain",
      answer: () => issue({ uriSans: ["spiffe://evil/ns/ns1/sa/hello"] }),
      reason: /trust domain/,
    },
    { name: "two identities", answer: () => issue({ uriSans: [IDENTITY, IDENTITY] }), reason: /2 URI names/ },
    { name: "a root nobody believes", answer: () => issue({ issuer: OTHER_ROOT }), reason: /no chain leads/ },
    {
      name: "an end in the past",
      answer: () => issue({ lifeMs: -1000 }),
      reason: /expired: now 2030-01-01T12:00:00\.000Z.*notAfter 2030-01-01T11:59:59/,
    },
    {
      name: "a beginning in the future",
      answer: () => issue({ notBefore: new Date("2030-01-01T13:00:00Z") }),
      reason: /not valid yet: now 2030-01-01T12:00:00\.000Z, notBefore 2030-01-01T13:00:00/,
    },
    { name: "no use as a server", answer: () => issue({ usages: ["client"] }), reason: /usage/ },
    { name: "no use as a client", answer: () => issue({ usages: ["server"] }), reason: /usage/ },
    {
      name: "no certificate in the answer",
      answer: () => async () => ({ chain: [], controlPlaneRoots: [] }),
      reason: /without a certificate/,
    },
    {
      name: "something that is no certificate",
      answer: () => async () => ({
        chain: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"],
        controlPlaneRoots: [],
      }),
      reason: /cannot be read/,
    },
  ])("does not use a certificate with $name, and keeps the old one", async ({ answer, reason }) => {
    await start();
    const before = source.current();
    answers = [answer(), issue()];
    await clock.advance(12 * HOUR_MS);
    expect(manager.state()).toMatchObject({ kind: "retrying", failures: 1 });
    const state = manager.state();
    expect(state.kind === "retrying" && state.reason).toMatch(reason);
    expect(source.current()).toBe(before);
    await clock.advance(1000);
    expect(source.current()?.generation).toBe(2);
  });

  it("comes back after the mesh's root was exchanged while it could not listen", async () => {
    answers = [issue({ issuer: OTHER_ROOT, controlPlaneRoots: [OTHER_ROOT] })];
    await start();
    expect(source.current()?.identity).toBe(IDENTITY);
    expect(source.current()?.roots.map(({ fingerprint256 }) => fingerprint256)).toEqual([
      ROOT.certificate.fingerprint256,
    ]);
    await clock.advance(HOUR_MS);
    expect(requests).toHaveLength(1);
  });

  it("asks for a new certificate when the trust bundle drops the root of its own", async () => {
    await start();
    answers = [issue({ issuer: OTHER_ROOT })];
    source.setTrust({ roots: [ROOT.certificate, OTHER_ROOT.certificate], trustDomains });
    await settlePromises();
    expect(requests).toHaveLength(1);
    source.setTrust({ roots: [OTHER_ROOT.certificate], trustDomains });
    await settlePromises();
    expect(requests).toHaveLength(2);
    expect(source.current()).toMatchObject({ generation: 4 });
  });

  it("does nothing any more once it was stopped, even if an answer still comes", async () => {
    let reply: (() => void) | undefined;
    answers = [
      (key) =>
        new Promise((resolve) => {
          reply = () => resolve(issue()(key));
        }),
    ];
    await start();
    manager.stop();
    reply?.();
    await clock.advance(LIFE_MS);
    expect(source.current()).toBeUndefined();
    expect(clock.pendingTimers).toBe(0);
    expect(requests).toHaveLength(1);
  });

  it("tells its listeners of each change, and of the end", async () => {
    answers = [issue({ lifeMs: 30_000 }), fail()];
    await start();
    const kinds: string[] = [];
    manager.subscribe((state) => kinds.push(`${state.kind} ${manager.readiness().ready}`));
    await clock.advance(60_000);
    expect(kinds.slice(0, 2)).toEqual(["requesting true", "retrying true"]);
    expect(kinds).toContain("retrying false");
  });
});
