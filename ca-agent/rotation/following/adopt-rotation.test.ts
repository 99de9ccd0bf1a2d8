import { randomBytes, X509Certificate } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { parseSpiffeId } from "../../../mesh/identity/spiffe-id.ts";
import { verifyPeer } from "../../../mesh/policy/authentication/verify-peer.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { adoptFiles } from "../../authority/adopt-files.ts";
import type { AuthorityFiles } from "../../authority/authority-files.ts";
import { createCsr } from "../../authority/authority-fixture.ts";
import { createLiveAuthority, type LiveAuthority } from "../../authority/live-authority.ts";
import type { RootPair } from "../../authority/self-signed-root.ts";
import { parseTrustedMaterial } from "../../authority/trusted-material.ts";
import {
  DAY_MS,
  HOUR_MS,
  INPUT,
  mintOwnRoot,
  NEW,
  NOW_MS,
  OLD,
  PUBLISHED,
  SIGNING,
  STEADY,
  TRUST_DOMAIN,
  WITHDRAWING,
} from "../rotation-fixture.ts";
import { type RotationState, trustedRoots } from "../rotation-state.ts";
import { publishNext, retireRoot, rollBack } from "../rotation-steps.ts";
import { formatOwnAuthority } from "../storage/format-own-authority.ts";
import { readOwnAuthority } from "../storage/own-authority.ts";

const PUBLISH_MS = 180_000;
const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const DONE = retireRoot(SIGNING, INPUT);
const BACK = rollBack(PUBLISHED, "a test", INPUT);
const csrPem = createCsr();

let clock: FakeClock;
let log: RecordingLogger;
let authority: LiveAuthority;
beforeEach(() => {
  clock = new FakeClock(NOW_MS);
  log = new RecordingLogger();
});

function filesOf(state: RotationState, changes: Readonly<Record<string, string>> = {}): AuthorityFiles {
  const texts = { ...formatOwnAuthority(state), ...changes };
  const written = Object.entries(texts).filter(([, text]) => text !== "");
  const files = readOwnAuthority({ from: "the store", locate: (name) => name, texts: new Map(written) });
  if (files === undefined) throw new TypeError("there are no files");
  return files;
}

const deps = () => ({ trustDomain: TRUST_DOMAIN, clock, log, randomBytes });

async function openIn(state: RotationState): Promise<void> {
  authority = createLiveAuthority(await parseTrustedMaterial(filesOf(state), deps()), deps());
}

/** Returns what became of it, and the reason of a refusal. */
async function follow(state: RotationState): Promise<string> {
  return await adopt(filesOf(state));
}

async function adopt(files: AuthorityFiles): Promise<string> {
  const outcome = await adoptFiles(authority, files, deps());
  return outcome === "in_force" ? outcome : String(log.find("the old one stays in force").at(-1)?.fields["reason"]);
}

/** Which of the two roots alone is enough to trust what the authority signs now. */
async function trustedBy(): Promise<readonly RootPair[]> {
  const chain = await authority.signWorkload({ csrPem, identity, lifetimeMs: HOUR_MS });
  const certificates = chain.slice(0, -1).map((pem) => new X509Certificate(pem));
  return [OLD, NEW].filter(({ certificatePem }) => {
    const roots = [new X509Certificate(certificatePem)];
    const evidence = { certificates, sessionReused: false, roots, trustDomains: [TRUST_DOMAIN], nowMs: clock.now() };
    return verifyPeer(evidence).kind === "trusted";
  });
}

const signer = (): RootPair | undefined => [OLD, NEW].find((root) => root.certificatePem === authority.signingRoot());

const PHASES = [
  { name: "steady", state: STEADY, signs: OLD, by: [OLD] },
  { name: "published", state: PUBLISHED, signs: OLD, by: [OLD] },
  { name: "signing", state: SIGNING, signs: NEW, by: [OLD, NEW] },
  { name: "withdrawing", state: WITHDRAWING, signs: OLD, by: [OLD] },
  { name: "completed", state: DONE, signs: NEW, by: [NEW] },
  { name: "rolled back", state: BACK, signs: OLD, by: [OLD] },
] as const;

describe("a control plane that starts", () => {
  it.each(PHASES)("while the rotation is $name signs with the right root and trusts the right ones", async (phase) => {
    await openIn(phase.state);
    expect(authority.roots()).toEqual(trustedRoots(phase.state));
    expect(signer()).toBe(phase.signs);
    expect(await trustedBy()).toEqual(phase.by);
    expect(authority.revision()).toBe(phase.state.revision);
  });
});

describe("a running control plane", () => {
  it("follows a rotation, and each step is in force at once", async () => {
    await openIn(STEADY);
    for (const { state, signs } of [PHASES[1], PHASES[2], PHASES[4]]) {
      expect(await follow(state)).toBe("in_force");
      expect(authority.roots()).toEqual(trustedRoots(state));
      expect(signer()).toBe(signs);
      expect(authority.revision()).toBe(state.revision);
    }
    expect(clock.monotonicMs()).toBe(0);
  });

  it("follows a rotation that is rolled back after the new root has signed", async () => {
    await openIn(SIGNING);
    expect(await follow(WITHDRAWING)).toBe("in_force");
    expect(signer()).toBe(OLD);
    expect(authority.roots()).toEqual([OLD, NEW].map(({ certificatePem }) => certificatePem));
    expect(await follow(retireRoot(WITHDRAWING, INPUT))).toBe("in_force");
    expect(authority.roots()).toEqual([OLD.certificatePem]);
  });

  it("follows a rotation that is rolled back before the new root has signed", async () => {
    await openIn(PUBLISHED);
    expect(await follow(BACK)).toBe("in_force");
    expect(authority.roots()).toEqual([OLD.certificatePem]);
    expect(authority.revision()).toBe(BACK.revision);
  });

  it("that missed the publication publishes the root before it signs with it: its sidecars do not know it", async () => {
    await openIn(STEADY);
    expect(await follow(SIGNING)).toBe("in_force");
    expect(authority.roots()).toHaveLength(2);
    expect(signer()).toBe(OLD);
    expect(authority.revision()).toBe(0);
    await clock.advance(PUBLISH_MS);
    expect(signer()).toBe(NEW);
    expect(authority.revision()).toBe(SIGNING.revision);
  });

  it.each([STEADY, PUBLISHED, SIGNING])(
    "that missed the end from $kind on follows at once: nobody trusts the old root",
    async (state) => {
      await openIn(state);
      expect(await follow(DONE)).toBe("in_force");
      expect(authority.roots()).toEqual([NEW.certificatePem]);
      expect(signer()).toBe(NEW);
      expect(authority.revision()).toBe(DONE.revision);
    },
  );

  it("knows that a root has signed, though what is signed and trusted does not change", async () => {
    await openIn(PUBLISHED);
    expect(await follow({ ...WITHDRAWING, revision: 9 })).toBe("in_force");
    expect(authority.revision()).toBe(9);
    expect(await follow(STEADY)).toContain("authority_root_lost");
  });

  it("shows how long leaves of the root are valid that it has signed with before", async () => {
    await openIn(PUBLISHED);
    await authority.signWorkload({ csrPem, identity, lifetimeMs: DAY_MS });
    await authority.signWorkload({ csrPem, identity, lifetimeMs: HOUR_MS });
    expect(authority.otherLeavesForMs()).toBe(Number.NEGATIVE_INFINITY);
    await follow(SIGNING);
    expect(authority.otherLeavesForMs()).toBe(DAY_MS);
    await authority.signWorkload({ csrPem, identity, lifetimeMs: 2 * DAY_MS });
    // Though the wall clock is set.
    clock.jump(30 * DAY_MS);
    expect(authority.otherLeavesForMs()).toBe(DAY_MS);
    clock.jump(-30 * DAY_MS);
    await follow(WITHDRAWING);
    expect(authority.otherLeavesForMs()).toBe(2 * DAY_MS);
  });
});

/** What an etcd or a directory contains that was restored from before, or that was edited by hand. */
describe("a going back that would cut the mesh is refused, with the way to do it", () => {
  const stranger = publishNext({ ...STEADY, current: mintOwnRoot() }, { next: mintOwnRoot(), cause: "age" }, INPUT);
  const reissued = { ...STEADY, current: NEW };
  it.each([
    { name: "before the rotation, while the new root signs", from: SIGNING, to: STEADY },
    { name: "before the rotation, after its end", from: DONE, to: STEADY },
    { name: "before the rotation, while the new root is withdrawn", from: WITHDRAWING, to: STEADY },
    { name: "another mesh", from: PUBLISHED, to: stranger as RotationState },
    { name: "the new root alone, while the old one has leaves", from: SIGNING, to: reissued },
    { name: "the new root alone, though it has not been published", from: STEADY, to: reissued },
  ])("to $name", async ({ from, to }) => {
    await openIn(from);
    const before = { roots: authority.roots(), signer: authority.signingRoot() };
    const reason = await follow(to);
    expect(reason).toContain("authority_root_lost");
    expect(reason).toContain("add it, and remove it once no workload uses it any more");
    expect({ roots: authority.roots(), signer: authority.signingRoot() }).toEqual(before);
  });

  it("names the restored backup as the cause, unless it is an operator's authority", async () => {
    await openIn(SIGNING);
    const older = "an earlier state than the one in force, as from a restored backup";
    expect(await follow(STEADY)).toContain(older);
    const { rotation: _, ...operators } = filesOf(STEADY);
    const reason = await adopt(operators);
    expect(reason).toContain("authority_root_lost");
    expect(reason).not.toContain(older);
  });

  it("and is followed once both roots are in it", async () => {
    await openIn(DONE);
    const both = filesOf(STEADY, { "root-cert.pem": OLD.certificatePem + NEW.certificatePem });
    expect(await adoptFiles(authority, both, deps())).toBe("in_force");
    expect(authority.roots()).toEqual([OLD, NEW].map(({ certificatePem }) => certificatePem));
    // The old root was forgotten: sidecars receive it before it signs.
    expect(signer()).toBe(NEW);
    await clock.advance(PUBLISH_MS);
    expect(signer()).toBe(OLD);
  });

  it("and is followed where no certificate is lost: the new root has never signed", async () => {
    await openIn(PUBLISHED);
    expect(await follow(STEADY)).toBe("in_force");
    expect(authority.roots()).toEqual([OLD.certificatePem]);
  });

  it.each([
    { name: "at once, while the old root is trusted", from: SIGNING, to: PUBLISHED, first: OLD, later: OLD },
    { name: "that publishes the old root again before it signs", from: DONE, to: PUBLISHED, first: NEW, later: OLD },
    { name: "in which the same root signs", from: DONE, to: SIGNING, first: NEW, later: NEW },
  ])("and is followed to a state in which both are trusted: $name", async ({ from, to, first, later }) => {
    await openIn(from);
    expect(await follow(to)).toBe("in_force");
    expect(authority.roots()).toHaveLength(2);
    expect(signer()).toBe(first);
    await clock.advance(PUBLISH_MS);
    expect(signer()).toBe(later);
    expect(authority.revision()).toBe(to.revision);
  });
});

describe("a bundle that was emptied by mistake", () => {
  it("is refused while several roots are trusted", async () => {
    await openIn({ ...STEADY, others: [NEW.certificatePem] });
    const outcomes: string[] = [];
    const emptied = { ...filesOf(STEADY), rootsPem: undefined };
    await adoptFiles(authority, emptied, { ...deps(), onChange: (outcome) => outcomes.push(outcome) });
    expect(outcomes).toEqual(["refused"]);
    expect(log.find("the old one stays in force").map(({ fields }) => fields["reason"])).toEqual([
      expect.stringContaining("the root certificates are missing or empty, but 2 roots are trusted"),
    ]);
    expect(authority.roots()).toHaveLength(2);
  });

  it("is nothing where only the signing root is trusted, as in the files of earlier versions", async () => {
    await openIn(STEADY);
    expect(await adoptFiles(authority, { ...filesOf(STEADY), rootsPem: undefined }, deps())).toBe("in_force");
  });
});
