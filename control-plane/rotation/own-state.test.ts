import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatSelfSignedSecret } from "../../ca-agent/authority/secrets/authority-secret.ts";
import { keepRoot } from "../../ca-agent/authority/self-signed-root.ts";
import { INPUT, OLD, PUBLISHED, SIGNING } from "../../ca-agent/rotation/rotation-fixture.ts";
import { type RotationState, trustedRoots } from "../../ca-agent/rotation/rotation-state.ts";
import { retireRoot } from "../../ca-agent/rotation/rotation-steps.ts";
import type { AuthorityStore } from "../../ca-agent/rotation/storage/authority-store.ts";
import { readRoot } from "../../ca-agent/rotation/storage/authority-store-contract-fixture.ts";
import { createDirectoryStore } from "../../ca-agent/rotation/storage/directory-store.ts";
import { createSecretStore } from "../../ca-agent/rotation/storage/secret-store.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import { InProcessApi } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { OwnState } from "./own-state.ts";

const NAMESPACE = "istio-system";
const DONE = retireRoot(SIGNING, INPUT);
const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A store with a root that was never rotated, and its backup. */
interface Home {
  readonly store: AuthorityStore;
  readonly restore: () => void;
}

/** With the modes, as `cp -a`. */
function copyPrivately(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  for (const path of [to, join(to, "self-signed")]) chmodSync(path, 0o700);
}

async function inDirectory(): Promise<Home> {
  const folder = mkdtempSync(join(tmpdir(), "entente-own-state-"));
  cleanup.add(() => rmSync(folder, { recursive: true, force: true }));
  const [directory, backup] = [join(folder, "ca"), join(folder, "backup")];
  mkdirSync(directory, { mode: 0o700 });
  await keepRoot(directory, "self-signed", OLD);
  copyPrivately(directory, backup);
  return {
    store: createDirectoryStore({ directory, clock: new FakeClock(Date.now()), log: new RecordingLogger() }),
    restore: () => {
      rmSync(directory, { recursive: true });
      copyPrivately(backup, directory);
    },
  };
}

async function inSecret(): Promise<Home> {
  const clock = new FakeClock();
  const cluster = new TestCluster({ now: () => clock.now() });
  cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
  cluster.create(KINDS.secrets, formatSelfSignedSecret(NAMESPACE, OLD));
  const backup = cluster.history.backup();
  return {
    store: createSecretStore({ api: new InProcessApi(cluster), namespace: NAMESPACE }),
    restore: () => cluster.history.restore(backup),
  };
}

describe.each([
  { name: "a directory", open: inDirectory },
  { name: "etcd", open: inSecret },
])("a running control plane, after $name was restored from before a rotation", ({ open }) => {
  let home: Home;
  let log: RecordingLogger;
  let clock: FakeClock;
  let inForce: RotationState;
  beforeEach(async () => {
    home = await open();
    for (const state of [PUBLISHED, SIGNING, DONE]) await home.store.swap(await readRoot(home.store), state);
    log = new RecordingLogger();
    clock = new FakeClock();
    inForce = DONE;
  });

  function start(): OwnState {
    const authority = {
      revision: () => inForce.revision,
      roots: () => trustedRoots(inForce),
      signingRoot: () => inForce.current.certificatePem,
    };
    const { signal } = new AbortController();
    return new OwnState({ authority, store: home.store, clock, random: () => 0.5, log, signal });
  }

  /** As in its loop, while time passes. */
  async function look(own: OwnState): Promise<void> {
    const compared = own.compare(await home.store.read());
    await clock.advance(2000);
    await compared;
  }

  it("stores the state that is in force again, whole", async () => {
    const own = start();
    await look(own);
    home.restore();
    await look(own);
    expect((await readRoot(home.store)).state).toEqual(DONE);
    expect(log.find("the one in force is stored again")).toMatchObject([{ level: "warn", fields: { from: 0, to: 3 } }]);
  });

  it("does so though its authority has adopted a later state with the same roots that was not read", async () => {
    const own = start();
    await look(own);
    inForce = { ...DONE, revision: 4 };
    home.restore();
    await look(own);
    expect((await readRoot(home.store)).state).toEqual(DONE);
  });

  it("is one of several that do: the state is stored once", async () => {
    const [one, other] = [start(), start()];
    for (const own of [one, other]) await look(own);
    home.restore();
    const restored = await home.store.read();
    const compared = [one, other].map((own) => own.compare(restored));
    await clock.advance(2000);
    await Promise.all(compared);
    expect((await readRoot(home.store)).state).toEqual(DONE);
    expect(log.find("the one in force is stored again")).toHaveLength(1);
  });

  it("stores nothing that it has not in force, as after a restart", async () => {
    home.restore();
    await look(start());
    expect((await readRoot(home.store)).state.revision).toBe(0);
  });

  it("stores nothing over what an operator has changed meanwhile", async () => {
    const own = start();
    await look(own);
    home.restore();
    const restored = await readRoot(home.store);
    const compared = own.compare(restored);
    await home.store.swap(restored, PUBLISHED);
    await clock.advance(2000);
    await compared;
    expect((await readRoot(home.store)).state).toEqual(PUBLISHED);
    expect(log.records).toEqual([]);
  });

  it("follows the earlier state if its authority does", async () => {
    const own = start();
    await look(own);
    home.restore();
    inForce = (await readRoot(home.store)).state;
    await look(own);
    expect((await readRoot(home.store)).state.revision).toBe(0);
  });

  it("does not store what a later version has stored: a part of it is not known here", async () => {
    const own = start();
    const stored = await readRoot(home.store);
    await own.compare({ ...stored, laterVersion: 2 });
    home.restore();
    await look(own);
    expect((await readRoot(home.store)).state.revision).toBe(0);
  });
});
