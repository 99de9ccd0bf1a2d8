import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { textsOf } from "./authority-fixture.ts";
import type { LiveAuthority } from "./live-authority.ts";
import { openAuthority } from "./open-authority.ts";
import { type AuthorityWatch, watchAuthorityDirectory } from "./watch-authority-directory.ts";

const oldRoot = mintRoot({ commonName: "old" });
const newRoot = mintRoot({ commonName: "new" });
const trustDomain = parseTrustDomain("cluster.local");
let folder: string;
let clock: FakeClock;
let log: RecordingLogger;
let authority: LiveAuthority;
let watch: AuthorityWatch;
let version = 0;

/** As the kubelet: a new directory, and the link `..data` replaced in one step. */
function mount(texts: Readonly<Record<string, string>>): void {
  version += 1;
  const name = `..v${version}`;
  mkdirSync(join(folder, name));
  for (const [file, text] of Object.entries(texts)) {
    writeFileSync(join(folder, name, file), text, { mode: 0o440 });
    if (version === 1) symlinkSync(join("..data", file), join(folder, file));
  }
  symlinkSync(name, join(folder, "..next"));
  renameSync(join(folder, "..next"), join(folder, "..data"));
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "entente-mounted-"));
  version = 0;
  clock = new FakeClock();
  log = new RecordingLogger();
  mount(textsOf({ signer: oldRoot, roots: [oldRoot] }));
  const deps = { trustDomain, clock, log, randomBytes };
  authority = await openAuthority({ directory: folder, ...deps });
  watch = watchAuthorityDirectory(authority, folder, deps);
});
afterEach(() => {
  watch.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Several checks; files are read by the system in between. */
async function pass(): Promise<void> {
  for (let round = 0; round < 5; round += 1) {
    await clock.advance(5000);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function follow(line: string): Promise<void> {
  while (log.find(line).length === 0) await pass();
}

it("a mounted Secret that changes comes into force", async () => {
  mount(textsOf({ signer: newRoot, roots: [oldRoot, newRoot] }));
  await follow("the authority has changed");
  expect(authority.roots()).toHaveLength(2);
});

it.each([
  {
    name: "incomplete",
    change: () => {
      const { "ca-key.pem": _key, ...texts } = textsOf({ signer: newRoot, roots: [oldRoot, newRoot] });
      mount(texts);
    },
    reason: "ca-key.pem is missing",
  },
  {
    name: "without the root in use",
    change: () => mount(textsOf({ signer: newRoot, roots: [newRoot] })),
    reason: "authority_root_lost",
  },
  {
    name: "garbage",
    change: () => mount({ ...textsOf({ signer: oldRoot, roots: [oldRoot] }), "ca-cert.pem": "garbage" }),
    reason: "contains no PEM certificate",
  },
])("a change to something $name is refused once, with its reason", async ({ change, reason }) => {
  change();
  await follow(reason);
  await pass();
  expect(log.find("the old one stays in force")).toHaveLength(1);
  expect(authority.roots()).toEqual([oldRoot.certificate.toString()]);
});

it("a change to something that is valid only from now on is followed when it is", async () => {
  const notBefore = new Date(clock.now() + 90_000);
  const early = mintRoot({ commonName: "early", notBefore });
  mount(textsOf({ signer: early, roots: [oldRoot, early] }));
  await follow("is not valid yet");
  await follow("the authority has changed");
  expect(log.find("the old one stays in force")).toHaveLength(1);
  expect(authority.refusal()).toBeUndefined();
});

it("files that are removed change nothing, with an alarm; once restored, later changes are followed", async () => {
  unlinkSync(join(folder, "..data"));
  await follow("contains no authority any more");
  await pass();
  expect(authority.refusal()).toContain("contains no authority any more: no control plane can start; restore it");
  mount(textsOf({ signer: newRoot, roots: [oldRoot, newRoot] }));
  await follow("the authority has changed");
  expect(log.find("stays in force")).toHaveLength(1);
  expect(authority.refusal()).toBeUndefined();
});

it("a change of this process's own comes into force at once", async () => {
  mount(textsOf({ signer: newRoot, roots: [oldRoot, newRoot] }));
  watch.lookNow();
  while (authority.roots().length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(clock.monotonicMs()).toBe(0);
});
