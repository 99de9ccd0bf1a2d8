import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Authority } from "../../ca-agent/authority/authority.ts";
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatCertificateRequest } from "./csr.ts";
import { HOUR_MS, IDENTITY, LIFE_MS, SvidFixture, trustDomains } from "./svid-fixture.ts";
import { parseCertificates } from "./trust-anchors.ts";

const STEP_MS = 9000;
const [trustDomain] = trustDomains;
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A clock that is wrong by as much. */
function offset(clock: Clock, by: { readonly aheadMs: number }): Clock {
  return {
    now: () => clock.now() + by.aheadMs,
    monotonicMs: () => clock.monotonicMs(),
    setTimeout: (action, delayMs) => clock.setTimeout(action, delayMs),
  };
}

async function openAuthorityWith(clock: Clock): Promise<Authority> {
  if (trustDomain === undefined) throw new Error("there is no trust domain");
  const directory = await mkdtemp(join(tmpdir(), "authority-"));
  stops.push(() => rm(directory, { recursive: true }));
  return await openAuthority({ directory, trustDomain, clock, log: new RecordingLogger() });
}

/** A sidecar whose authority's clock differs from its own. */
async function startSidecar(aheadOf: { readonly aheadMs: number }) {
  const svid = new SvidFixture();
  const authority = await openAuthorityWith(offset(svid.clock, aheadOf));
  const roots = parseCertificates(authority.roots().join(""), "the roots");
  svid.source.setTrust({ roots, trustDomains });
  let unanswered = 0;
  svid.answers = [
    async (key) => {
      unanswered += 1;
      const csrPem = formatCertificateRequest(key, IDENTITY);
      const chain = await authority.signWorkload({ csrPem, identity: IDENTITY, lifetimeMs: LIFE_MS });
      unanswered -= 1;
      return { chain, controlPlaneRoots: [] };
    },
  ];
  /** In small steps, because signing takes real time. */
  const advance = async (byMs: number): Promise<void> => {
    for (let leftMs = byMs; leftMs >= 0; leftMs -= STEP_MS) {
      await svid.clock.advance(Math.min(leftMs, STEP_MS));
      while (unanswered > 0) await settlePromises();
    }
  };
  await svid.start();
  await advance(0);
  stops.push(() => svid.manager.stop());
  const isAcceptedAt = (nowMs: number): boolean => {
    const certificates = svid.source.current()?.certificates ?? [];
    return verifyPeer({ certificates, sessionReused: false, roots, trustDomains, nowMs }).kind === "trusted";
  };
  return { svid, advance, isAcceptedAt };
}

describe("a clock that is wrong by an hour", () => {
  it.each([
    { name: "the sidecar's, ahead", authority: -HOUR_MS, peers: -HOUR_MS },
    { name: "the sidecar's, behind", authority: HOUR_MS, peers: HOUR_MS },
    { name: "the authority's, ahead", authority: HOUR_MS, peers: 0 },
    { name: "the authority's, behind", authority: -HOUR_MS, peers: 0 },
    { name: "a peer's, ahead", authority: 0, peers: HOUR_MS },
    { name: "a peer's, behind", authority: 0, peers: -HOUR_MS },
  ])("leaves the certificate accepted, from its first moment on: $name", async ({ authority, peers }) => {
    const { svid, advance, isAcceptedAt } = await startSidecar({ aheadMs: authority });
    for (let hours = 0; hours < 30; hours += 1) {
      expect([hours, isAcceptedAt(svid.clock.now()), isAcceptedAt(svid.clock.now() + peers)]).toEqual([
        hours,
        true,
        true,
      ]);
      await advance(HOUR_MS);
    }
    expect(svid.requests.length).toBeGreaterThan(2);
    expect(svid.requests.length).toBeLessThan(5);
    expect(svid.meter.failed).toBe(0);
  });

  it("and by two is reported with both times, and the old certificate stays in use until the clock is set right", async () => {
    const authority = { aheadMs: 0 };
    const { svid, advance } = await startSidecar(authority);
    const first = svid.source.current();
    svid.clock.jump(-2 * HOUR_MS);
    authority.aheadMs = 2 * HOUR_MS;
    await advance(12.1 * HOUR_MS);
    const state = svid.manager.state();
    expect(state.kind === "retrying" && state.reason).toMatch(/not valid yet: now 2030-\S+, notBefore 2030-\S+/);
    expect(svid.source.current()).toBe(first);
    svid.clock.jump(2 * HOUR_MS);
    authority.aheadMs = 0;
    await advance(60_000);
    expect(svid.source.current()?.generation).toBe(2);
  });

  it("and by days leaves no certificate, and the old one is back as soon as the clock is set right", async () => {
    const authority = { aheadMs: 0 };
    const { svid, advance } = await startSidecar(authority);
    const first = svid.source.current();
    svid.clock.jump(3 * LIFE_MS);
    authority.aheadMs = -3 * LIFE_MS;
    expect(svid.source.current()).toBeUndefined();
    await advance(20_000);
    expect(svid.manager.readiness()).toMatchObject({ ready: false, reason: expect.stringMatching(/expired/) });
    svid.clock.jump(-3 * LIFE_MS);
    authority.aheadMs = 0;
    expect(svid.source.current()).toBe(first);
    expect(svid.manager.readiness()).toEqual({ ready: true });
    await advance(5001);
    expect(svid.source.current()?.generation).toBe(2);
  });
});
