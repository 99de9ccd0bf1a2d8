import { toBinary } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { messageFromTrustBundle } from "../../mesh/api/convert-trust-bundle.ts";
import { TrustBundleResourceSchema } from "../../mesh/api/gen/discovery_pb.ts";
import { parsePodTag } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId, parseTrustDomain, type SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { CONTROL_HOMES, ControlHomes } from "./control-homes-fixture.ts";
import type { ControlState, Revocation } from "./control-state.ts";
import { equivalentIdentities, findExcess } from "./distributed-identities.ts";
import { formatControlTexts } from "./parse-control-state.ts";

const SIXTEEN_MIB = 16 * 1024 * 1024;
const revokedAt = "2026-11-26T18:44:32Z";

/** Of so many octets each, in the mesh's own trust domain. */
function revoked(count: number, octets: number): readonly Revocation[] {
  return Array.from({ length: count }, (_, index) => {
    const account = [String(index).padStart(5, "0"), ...Array.from({ length: 4 }, () => "a".repeat(50))].join(".");
    const identity = parseSpiffeId(`spiffe://cluster.local/ns/ns/sa/${account.slice(0, octets - 32).padEnd(6, "x")}`);
    return { what: { kind: "identity", identity }, revokedAt };
  });
}

const domains = (aliases: number, octets = 20) => [
  parseTrustDomain("cluster.local"),
  ...Array.from({ length: aliases }, (_, index) => parseTrustDomain(`d${index}.`.padEnd(octets, "x"))),
];
const identitiesOf = (revocations: readonly Revocation[], aliases: ReturnType<typeof domains>): readonly SpiffeId[] =>
  revocations.flatMap(({ what }) => (what.kind === "identity" ? equivalentIdentities(what.identity, aliases) : []));

/** A trust bundle with these identities and the most that everything else in it may be. */
function largestBundle(identities: readonly SpiffeId[], trustDomains: ReturnType<typeof domains>): number {
  const root = "x".repeat(11_200);
  const federated = Array.from({ length: 32 }, (_, index) => ({
    ...{ trustDomain: parseTrustDomain(`f${index}`), roots: Array.from({ length: 16 }, () => root) },
  }));
  const certificates = Array.from({ length: 10_000 }, () => ({
    ...{ serialNumber: "1".repeat(42), issuer: "a".repeat(64) },
  }));
  const pods = Array.from({ length: 10_000 }, () => parsePodTag("0123456789ABCDEF"));
  // The Secret with them has 1 MiB.
  const bundle = { roots: ["x".repeat(1024 * 1024)], trustDomains, federated };
  const message = messageFromTrustBundle({ ...bundle, revocations: { certificates, identities, pods } });
  return toBinary(TrustBundleResourceSchema, message).length;
}

describe("revoked identities in all trust domains of a mesh", () => {
  it.each([
    { name: "10,000 in a domain without aliases", count: 10_000, octets: 40, aliases: domains(0), isSent: true },
    { name: "10,000 with 9 aliases", count: 10_000, octets: 40, aliases: domains(9), isSent: true },
    { name: "10,000 with 10 aliases", count: 10_000, octets: 40, aliases: domains(10), isSent: false },
    { name: "10,000 with 15 long aliases", count: 10_000, octets: 40, aliases: domains(15, 250), isSent: false },
    { name: "3,300 long ones with 9 aliases", count: 3300, octets: 230, aliases: domains(9), isSent: true },
    { name: "3,300 long ones with 15 aliases", count: 3300, octets: 230, aliases: domains(15), isSent: false },
  ])("$name can be stored; a bundle can have them: $isSent", ({ count, octets, aliases, isSent }) => {
    const state: ControlState = { revocations: revoked(count, octets), rotation: undefined };
    expect(() => formatControlTexts(state)).not.toThrow();
    const excess = findExcess(state, aliases);
    expect(excess === undefined).toBe(isSent);
    if (isSent) expect(largestBundle(identitiesOf(state.revocations, aliases), aliases)).toBeLessThan(SIXTEEN_MIB);
    else expect(excess?.message).toMatch(/^control_limit: .*\(trustDomainAliases\).*entente ca unrevoke/);
  });

  it("would be more than a proxy receives, with 15 long aliases", () => {
    const aliases = domains(15, 250);
    const revocations = { certificates: [], identities: identitiesOf(revoked(10_000, 40), aliases) };
    const message = messageFromTrustBundle({ roots: ["x"], trustDomains: aliases, revocations });
    expect(toBinary(TrustBundleResourceSchema, message).length).toBeGreaterThan(2 * SIXTEEN_MIB);
  });

  it("do not count of a foreign domain", () => {
    const state = { revocations: revoked(10_000, 40) };
    expect(findExcess(state, domains(15).slice(1))).toBeUndefined();
  });
});

let homes: ControlHomes;
beforeEach(() => {
  homes = new ControlHomes();
});
afterEach(() => homes.end());

describe.each(CONTROL_HOMES)("more than a trust bundle may have, in $name", ({ open }) => {
  const entries = revoked(3300, 230);
  const added = (revocations: readonly Revocation[]) => (state: ControlState) => ({ ...state, revocations });

  it("changes nothing in a control plane that runs, which says why, and follows again what can be sent", async () => {
    homes.trustDomains = domains(15);
    const home = open(homes);
    await home.store.update(added(entries.slice(0, 1)));
    const control = await homes.started(home);
    await home.store.update(added(entries));
    await homes.passUntil(() => control.fault() !== undefined);
    expect(control.fault()).toContain("in each of the mesh's 16 trust domains");
    expect(control.current().revocations).toHaveLength(1);
    await home.store.update(added(entries.slice(0, 100)));
    await homes.passUntil(() => control.current().revocations.length === 100);
    expect(control.fault()).toBeUndefined();
  });

  it("keeps a control plane from starting that has more aliases than the one before", async () => {
    const home = open(homes);
    await home.store.update(added(entries));
    homes.trustDomains = domains(15);
    let isStarted = false;
    const starting = home.follow().then(() => {
      isStarted = true;
    });
    await homes.passUntil(() => homes.waiting.length > 0);
    expect([isStarted, homes.waiting.at(-1)]).toEqual([false, expect.stringContaining("remove aliases")]);
    await home.store.update(added(entries.slice(1, 100)));
    await homes.passUntil(() => isStarted);
    await starting;
  });

  it("is not made of a backup and what is in force: both stay as they are, and the reason is said", async () => {
    homes.trustDomains = domains(15);
    const home = open(homes);
    await home.store.update(added(entries.slice(0, 1500)));
    const control = await homes.started(home);
    const restore = home.backUp();
    await home.store.update(added(entries.slice(1500, 3000)));
    await homes.passUntil(() => isSecond(control.current()));
    restore();
    await homes.passUntil(() => control.fault()?.includes("could not be stored") === true);
    expect(control.fault()).toContain("are too many");
    expect(control.current().revocations).toHaveLength(1500);
    expect(isSecond(control.current())).toBe(true);
  });

  function isSecond({ revocations: [entry] }: ControlState): boolean {
    return JSON.stringify(entry?.what) === JSON.stringify(entries[1500]?.what);
  }
});
