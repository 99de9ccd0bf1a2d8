import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { textsOf } from "../../authority/authority-fixture.ts";
import type { LiveAuthority } from "../../authority/live-authority.ts";
import { openAuthority } from "../../authority/open-authority.ts";
import { watchAuthorityDirectory } from "../../authority/watch-authority-directory.ts";
import type { RotationPlan } from "../plan-rotation.ts";
import { HOUR_MS, TRUST_DOMAIN } from "../rotation-fixture.ts";
import { createRotationLimits } from "../rotation-limits.ts";
import { type RotationState, trustedRoots } from "../rotation-state.ts";
import { readRoot } from "../storage/authority-store-contract-fixture.ts";
import { createDirectoryStore } from "../storage/directory-store.ts";
import { takeStep } from "../take-step.ts";

const PUBLISH = { kind: "step", to: "published", cause: "request" } as const;
const ACTIVATE = { kind: "step", to: "signing" } as const;
const RETIRE = { kind: "step", to: "steady" } as const;
const ROLL_BACK = { kind: "roll_back", reason: "a test" } as const;

let directory: string;
let clock: FakeClock;
let stops: (() => void)[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "entente-rotation-"));
  // Drafts are judged by the times that the system gives them.
  clock = new FakeClock(Date.now());
  stops = [];
});
afterEach(() => {
  for (const stop of stops) stop();
  rmSync(directory, { recursive: true, force: true });
});

interface Running {
  readonly authority: LiveAuthority;
  readonly log: RecordingLogger;
}

/** A control plane that follows the directory. */
async function start(): Promise<Running> {
  const log = new RecordingLogger();
  const deps = { trustDomain: TRUST_DOMAIN, clock, log, randomBytes };
  const authority = await openAuthority({ directory, ...deps });
  stops.push(watchAuthorityDirectory(authority, directory, deps).stop);
  return { authority, log };
}

async function take(plan: Exclude<RotationPlan, { kind: "wait" }>): Promise<RotationState> {
  const store = createDirectoryStore({ directory, clock, log: new RecordingLogger() });
  const stored = await readRoot(store);
  const limits = createRotationLimits(HOUR_MS);
  const next = await takeStep(stored.state, plan, {
    trustDomain: TRUST_DOMAIN,
    clock,
    randomBytes,
    phaseMs: 0,
    limits,
    request: undefined,
  });
  expect(await store.swap(stored, next)).toBe("stored");
  return next;
}

/** Checks of the directory, until something has happened; files are read by the system in between. */
async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    await clock.advance(5000);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const inForce = ({ authority }: Running) => ({ roots: authority.roots(), signs: authority.signingRoot() });
const wanted = (state: RotationState) => ({ roots: trustedRoots(state), signs: state.current.certificatePem });

describe("a rotation in the directory", () => {
  it.each([
    { name: "to its end", plans: [PUBLISH, ACTIVATE, RETIRE] },
    { name: "back after the new root has signed", plans: [PUBLISH, ACTIVATE, ROLL_BACK, RETIRE] },
  ])("is followed by every control plane, and opened by one that starts: $name", async ({ plans }) => {
    const running = [await start(), await start()];
    for (const plan of plans) {
      const state = await take(plan);
      await until(() => running.every(({ authority }) => authority.revision() === state.revision));
      for (const one of running) expect(inForce(one)).toEqual(wanted(state));
      expect(inForce(await start())).toEqual(wanted(state));
    }
    expect(running.flatMap(({ log }) => log.find("refused"))).toEqual([]);
  });

  it("begins with the directory of an earlier version", async () => {
    const root = mintRoot();
    const own = join(directory, "self-signed");
    mkdirSync(own, { mode: 0o700 });
    writeFileSync(join(own, "ca-cert.pem"), root.pem, { mode: 0o600 });
    writeFileSync(join(own, "ca-key.pem"), root.keyPem, { mode: 0o600 });
    const { authority } = await start();
    expect(authority.roots()).toEqual([root.pem]);
    expect((await take(PUBLISH)).current.certificatePem).toBe(root.pem);
  });

  it("makes an earlier version refuse to start: it would sign with a root that nobody trusts", async () => {
    const { authority } = await start();
    const [old = ""] = authority.roots();
    for (const plan of [PUBLISH, ACTIVATE, RETIRE]) await take(plan);
    const own = join(directory, "self-signed");
    expect(readFileSync(join(own, "ca-cert.pem"), "utf8")).toBe(old);
    expect(() => readFileSync(join(own, "ca-key.pem"))).toThrow("ENOENT");
  });

  it("gives way to files that an operator plugs in, if both roots are in them", async () => {
    const one = await start();
    const state = await take(PUBLISH);
    await until(() => one.authority.revision() === state.revision);
    const plugged = mintRoot({ commonName: "plugged in" });
    const bundle = [plugged.pem, ...trustedRoots(state)].join("");
    const texts = { ...textsOf({ signer: plugged, roots: [], intermediates: [] }), "root-cert.pem": bundle };
    const files = mkdtempSync(join(tmpdir(), "entente-plugged-"));
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(files, name), text, { mode: 0o600 });
    for (const name of Object.keys(texts)) renameSync(join(files, name), join(directory, name));
    rmSync(files, { recursive: true });
    await until(() => one.authority.roots().length === 3);
    await until(() => one.authority.signingRoot() === plugged.pem);
  });
});

describe("a directory that is restored from before the rotation", () => {
  it("does not make a running control plane go back, which says what to do", async () => {
    const one = await start();
    const backup = mkdtempSync(join(tmpdir(), "entente-backup-"));
    cpSync(directory, backup, { recursive: true });
    for (const plan of [PUBLISH, ACTIVATE]) {
      const state = await take(plan);
      await until(() => one.authority.revision() === state.revision);
    }
    const before = inForce(one);
    rmSync(join(directory, "self-signed.2"), { recursive: true });
    cpSync(backup, directory, { recursive: true });
    rmSync(backup, { recursive: true });
    await until(() => one.log.find("the old one stays in force").length > 0);
    const [refusal] = one.log.find("the old one stays in force");
    expect(refusal?.fields["reason"]).toContain("as from a restored backup");
    expect(inForce(one)).toEqual(before);
  });
});
