import { execFile } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { RecordingLogger } from "../../../mesh/recording-logger-fixture.ts";
import { textsOf } from "../../authority/authority-fixture.ts";
import { keepRoot } from "../../authority/self-signed-root.ts";
import { syncDirectory, writeDurably } from "../../durable-files.ts";
import { OLD, PUBLISHED, SIGNING, STEADY } from "../rotation-fixture.ts";
import type { RotationState } from "../rotation-state.ts";
import { readRoot, runAuthorityStoreContract } from "./authority-store-contract-fixture.ts";
import { createDirectoryStore, type StoreFiles, tidyOwnDirectory } from "./directory-store.ts";

/** Drafts are judged by the times that the system gives them. */
const clock = new FakeClock(Date.now());
const log = new RecordingLogger();
let directory: string;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "entente-store-"));
  await keepRoot(directory, "self-signed", OLD);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (files?: StoreFiles) => createDirectoryStore({ directory, clock, log, ...(files && { files }) });

async function store(...states: readonly (typeof PUBLISHED | typeof SIGNING)[]): Promise<void> {
  for (const state of states) await open().swap(await readRoot(open()), state);
}

/** All names below the directory, sorted. */
const namesIn = (): readonly string[] => readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
const ownNames = (): readonly string[] => readdirSync(directory).sort();

function removeAll(): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}

runAuthorityStoreContract("the directory", () => ({
  open,
  replaceAll: async (root) => {
    removeAll();
    await keepRoot(directory, "self-signed", root);
  },
  removeAll,
  editRecord: (fields) => {
    const path = join(directory, "self-signed.1", "rotation.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), ...fields }));
  },
  plugIn: () => {
    const root = mintRoot();
    const texts = Object.entries(textsOf({ signer: root, roots: [root] }));
    for (const [name, text] of texts) writeFileSync(join(directory, name), text, { mode: 0o600 });
  },
}));

describe("the directory of a rotation", () => {
  it("is readable only by its owner, in every phase", async () => {
    await store(PUBLISHED, SIGNING);
    for (const name of namesIn()) {
      const { mode } = statSync(join(directory, name));
      expect(mode & 0o777, name).toBe(name.endsWith(".pem") || name.endsWith(".json") ? 0o600 : 0o700);
    }
  });

  it("loses the keys of earlier states; a certificate stays, at which earlier versions refuse to start", async () => {
    await store(PUBLISHED, SIGNING);
    expect(ownNames()).toEqual(["self-signed", "self-signed.2"]);
    expect(readdirSync(join(directory, "self-signed"))).toEqual(["ca-cert.pem"]);
  });

  it("ignores empty directories with later names, which anyone may create in an emptyDir, and keeps the keys", async () => {
    for (const name of ["self-signed.1", "self-signed.7"]) mkdirSync(join(directory, name), { mode: 0o700 });
    await tidyOwnDirectory({ directory, clock, log });
    expect((await readRoot(open())).state).toEqual(STEADY);
    expect(await open().swap(await readRoot(open()), PUBLISHED)).toBe("stored");
    expect((await readRoot(open())).state).toEqual(PUBLISHED);
  });

  it("refuses an old state under a later name, which any program that may write beside it could give it", async () => {
    await store(PUBLISHED);
    renameSync(join(directory, "self-signed.1"), join(directory, "self-signed.9"));
    await expect(open().read()).rejects.toThrow("self-signed.9 contains the state of revision 1");
  });

  it("refuses a state whose key others may read", async () => {
    await store(PUBLISHED);
    chmodSync(join(directory, "self-signed.1", "next-ca-key.pem"), 0o640);
    await expect(open().read()).rejects.toThrow("next-ca-key.pem has mode 0640");
  });

  it("refuses half of a state, and does not go back to the one before", async () => {
    await store(PUBLISHED);
    rmSync(join(directory, "self-signed.1", "next-ca-key.pem"));
    await expect(open().read()).rejects.toThrow("next-ca-key.pem is missing");
  });

  it("stores nothing over states that others have stored and removed while it wrote", async () => {
    const expected = await readRoot(open());
    const slow: StoreFiles = {
      ...SYSTEM,
      rename: async (from, to) => {
        await store(PUBLISHED, SIGNING);
        await rename(from, to);
      },
    };
    expect(await open(slow).swap(expected, PUBLISHED)).toBe("conflict");
    expect((await readRoot(open())).state).toEqual(SIGNING);
    expect(ownNames()).toEqual(["self-signed", "self-signed.2"]);
  });

  it("loses what processes left that ended while they wrote, but not what one is writing", async () => {
    for (const name of [".self-signed-old", ".self-signed-new"]) mkdirSync(join(directory, name));
    const longAgo = new Date(clock.now() - 2 * 3_600_000);
    utimesSync(join(directory, ".self-signed-old"), longAgo, longAgo);
    utimesSync(join(directory, ".self-signed-new"), new Date(clock.now()), new Date(clock.now()));
    await tidyOwnDirectory({ directory, clock, log });
    expect(ownNames()).toEqual([".self-signed-new", "self-signed"]);
  });

  it("is stored by one of several processes", async () => {
    const script = `
      import { createDirectoryStore } from "${import.meta.dirname}/directory-store.ts";
      import { systemClock } from "${import.meta.dirname}/../../../mesh/runtime.ts";
      import { mintOwnRoot, INPUT } from "${import.meta.dirname}/../rotation-fixture.ts";
      import { publishNext } from "${import.meta.dirname}/../rotation-steps.ts";
      const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
      const store = createDirectoryStore({ directory: process.argv[1], clock: systemClock, log });
      const read = await store.read();
      if (read.state.kind !== "steady") {
        console.log("late", read.state.next.certificatePem);
        process.exit(0);
      }
      const next = publishNext(read.state, { next: mintOwnRoot(), cause: "request" }, INPUT);
      console.log(await store.swap(read, next), (await store.read()).state.next.certificatePem);`;
    const run = promisify(execFile);
    const all = Array.from({ length: 3 }, () =>
      run(process.execPath, ["--input-type=module", "--eval", script, directory]),
    );
    const ended = (await Promise.all(all)).map(({ stdout }) => stdout);
    expect(ended.filter((text) => text.startsWith("stored"))).toHaveLength(1);
    expect(new Set(ended.map((text) => text.slice(text.indexOf("-----BEGIN")))).size).toBe(1);
  });
});

const SYSTEM: StoreFiles = {
  mkdtemp,
  writeDurably,
  syncDirectory,
  rename,
  remove: (path) => rm(path, { recursive: true, force: true }),
};

/** The n-th step fails; `isKilled`: so do all later ones, as if the process had ended. */
function failAt(step: number, { isKilled, code }: Fault) {
  let steps = 0;
  const run = async <Result>(action: () => Promise<Result>): Promise<Result> => {
    steps += 1;
    if (steps === step || (isKilled && steps > step))
      throw Object.assign(new Error(`${code}: at step ${steps}`), { code });
    return await action();
  };
  const files: StoreFiles = {
    mkdtemp: (prefix) => run(() => SYSTEM.mkdtemp(prefix)),
    writeDurably: (path, text) => run(() => SYSTEM.writeDurably(path, text)),
    syncDirectory: (path) => run(() => SYSTEM.syncDirectory(path)),
    rename: (from, to) => run(() => SYSTEM.rename(from, to)),
    remove: (path) => run(() => SYSTEM.remove(path)),
  };
  return { files, steps: () => steps };
}

interface Fault {
  readonly isKilled: boolean;
  readonly code: string;
}

interface Storing {
  readonly before: readonly (typeof PUBLISHED)[];
  readonly next: RotationState;
}

/** What became of a storing that fails at this step; undefined: it has fewer steps. */
async function storeWithFault(step: number, { before, next }: Storing, fault: Fault): Promise<string | undefined> {
  removeAll();
  await keepRoot(directory, "self-signed", OLD);
  await store(...before);
  const old = await readRoot(open());
  const failing = failAt(step, fault);
  const swapped = open(failing.files).swap(old, next);
  const outcome = await swapped.catch(() => "failed");
  const { state } = await readRoot(open());
  if (state.revision === next.revision) expect(state).toEqual(next);
  else expect(state).toEqual(old.state);
  return failing.steps() < step ? undefined : `${outcome} ${state.revision === next.revision ? "new" : "old"}`;
}

describe.each([
  { name: "that is killed", isKilled: true, code: "EKILLED" },
  { name: "whose disk is full", isKilled: false, code: "ENOSPC" },
])("a process $name", (fault) => {
  it("at any step of storing leaves the old state or the new one, and the next process goes on", async () => {
    const storing = { before: [PUBLISHED], next: SIGNING };
    const outcomes = new Set<string>();
    for (let step = 1; ; step += 1) {
      const outcome = await storeWithFault(step, storing, fault);
      if (outcome === undefined) break;
      outcomes.add(outcome);
      // A process that goes on leaves nothing half written.
      if (!fault.isKilled) expect(ownNames().filter((name) => name.startsWith("."))).toEqual([]);
      const left = await readRoot(open());
      if (left.state.revision < storing.next.revision) expect(await open().swap(left, storing.next)).toBe("stored");
      await tidyOwnDirectory({ directory, clock, log });
      expect((await readRoot(open())).state).toEqual(storing.next);
      expect(ownNames().filter((name) => !name.startsWith("."))).toEqual(["self-signed", "self-signed.2"]);
      expect(existsSync(join(directory, "self-signed", "ca-key.pem"))).toBe(false);
    }
    expect([...outcomes].sort()).toEqual(["failed new", "failed old", "stored new"]);
  });

  it("says what it could not store", async () => {
    const { files } = failAt(2, fault);
    const swapped = open(files).swap(await readRoot(open()), PUBLISHED);
    await expect(swapped).rejects.toThrow(
      `authority_files: cannot store the next state in ${directory}: ${fault.code}`,
    );
  });
});
