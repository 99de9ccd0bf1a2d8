import { mkdir, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { decideServerMode } from "../../mesh/policy/authentication/server-mode.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { findTestPod, TEST_SETTINGS, testPod } from "../../mesh/resources/resource-set-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import type { ConfigSource } from "../config-source.ts";
import { startFolderSource } from "./folder-source.ts";

let root: string;
let stop: AbortController;
let log: RecordingLogger;
let clock: Clock;
const cleanup = new Cleanup();

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "folder-source-"));
  stop = new AbortController();
  log = new RecordingLogger();
  // Not faster: a file is read when it has not changed for 25 ms, and `writeFile` truncates it first.
  clock = startFastClock(cleanup, 4);
});

afterEach(async () => {
  stop.abort();
  await cleanup.run();
  await rm(root, { recursive: true, force: true });
});

function start(...folders: readonly string[]): Promise<ConfigSource> {
  const all = folders.length === 0 ? [root] : folders;
  return startFolderSource({ folders: all, log, clock, signal: stop.signal });
}

/** Resolves with the first set, current or later, that meets the condition. */
function until(source: ConfigSource, condition: (set: ResourceSet) => boolean): Promise<ResourceSet> {
  return new Promise((resolve) => {
    const check = (set: ResourceSet): void => {
      if (!condition(set)) return;
      unsubscribe();
      resolve(set);
    };
    const unsubscribe = source.subscribe(check);
    check(source.current());
  });
}

function policy(mode: string): string {
  return `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec:
  mtls:
    mode: ${mode}
`;
}

function namespace(name: string, labels = "{}"): string {
  return `apiVersion: v1\nkind: Namespace\nmetadata: { name: ${name}, labels: ${labels} }\n`;
}

function modeIn(set: ResourceSet): string | undefined {
  return set.peerAuthentications.get("istio-system/default")?.spec.mtls?.mode;
}

const POD = testPod({ name: "a" });

/** The mode of the pod, by the policies in force. */
function decidedMode(set: ResourceSet): string {
  return decideServerMode({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/a") }).mode;
}

describe("startFolderSource", () => {
  it("reads only .yaml and .yml files of several folders, in order", async () => {
    const [base, overlay] = [join(root, "base"), join(root, "overlay")];
    await mkdir(join(base, "deeper.yaml"), { recursive: true });
    await mkdir(overlay);
    await writeFile(join(base, "a.yaml"), namespace("ns1", "{ team: a, tier: web }"));
    await writeFile(join(base, "b.yml"), namespace("ns2"));
    await writeFile(join(base, "notes.txt"), namespace("ns3"));
    await writeFile(join(base, ".#a.yaml"), namespace("ns4"));
    await writeFile(join(base, "deeper.yaml", "c.yaml"), namespace("ns5"));
    await writeFile(join(overlay, "a.yaml"), namespace("ns1", "{ tier: edge }"));
    const set = (await start(base, overlay)).current();
    expect([...set.namespaces.keys()]).toEqual(["ns1", "ns2"]);
    expect(set.namespaces.get("ns1")?.metadata.labels).toEqual({ team: "a", tier: "edge" });
    expect(log.records).toEqual([]);
  });

  it("applies a changed, a new and a deleted file", async () => {
    await writeFile(join(root, "policy.yaml"), policy("STRICT"));
    const source = await start();
    expect(modeIn(source.current())).toBe("STRICT");
    await writeFile(join(root, "policy.yaml"), policy("PERMISSIVE"));
    await until(source, (set) => modeIn(set) === "PERMISSIVE");
    await writeFile(join(root, "namespace.yaml"), namespace("ns1"));
    await until(source, (set) => set.namespaces.has("ns1"));
    await rm(join(root, "policy.yaml"));
    await until(source, (set) => modeIn(set) === undefined);
    const logged = log.find("the configuration has changed").map(({ fields }) => fields);
    const nothing = { added: [], changed: [], removed: [] };
    expect(logged).toEqual([
      { ...nothing, changed: ["PeerAuthentication/default.istio-system"] },
      { ...nothing, added: ["Namespace/ns1"] },
      { ...nothing, removed: ["PeerAuthentication/default.istio-system"] },
    ]);
  });

  it("applies a file that was renamed over another", async () => {
    await writeFile(join(root, "policy.yaml"), policy("STRICT"));
    const source = await start();
    await writeFile(join(root, "policy.tmp"), policy("DISABLE"));
    await rename(join(root, "policy.tmp"), join(root, "policy.yaml"));
    await until(source, (set) => modeIn(set) === "DISABLE");
  });

  it("applies a ConfigMap mount when its data folder is swapped", async () => {
    await mkdir(join(root, "..one"));
    await mkdir(join(root, "..two"));
    await writeFile(join(root, "..one", "policy.yaml"), policy("STRICT"));
    await writeFile(join(root, "..two", "policy.yaml"), policy("PERMISSIVE"));
    await symlink("..one", join(root, "..data"));
    await symlink("..data/policy.yaml", join(root, "policy.yaml"));
    const source = await start();
    expect(modeIn(source.current())).toBe("STRICT");
    await symlink("..two", join(root, "..data_tmp"));
    await rename(join(root, "..data_tmp"), join(root, "..data"));
    await rm(join(root, "..one"), { recursive: true });
    await until(source, (set) => modeIn(set) === "PERMISSIVE");
  });

  it.each([
    {
      name: "truncated to nothing",
      damage: (path: string) => truncate(path, 0),
      expected: "no longer contains any resource",
    },
    { name: "half written", damage: (path: string) => truncate(path, 110), expected: "as if it were half written" },
    { name: "malformed", damage: (path: string) => writeFile(path, "a: [b\n"), expected: "malformed YAML" },
    {
      name: "too large",
      damage: (path: string) => truncate(path, 2_000_000),
      expected: "2000000 bytes; the limit is 1048576: split it",
    },
    { name: "not UTF-8", damage: (path: string) => writeFile(path, Buffer.from([0xff, 0x41])), expected: "not UTF-8" },
  ])("keeps a policy in force whose file is $name, and logs that once", async ({ damage, expected }) => {
    const path = join(root, "policy.yaml");
    await writeFile(path, policy("STRICT"));
    const source = await start();
    const before = source.current();
    await damage(path);
    await log.seen(expected);
    expect(source.current()).toBe(before);
    expect(source.problems().some(({ message }) => message.includes(expected))).toBe(true);
    // Another change is noticed later, so the damaged file has been scanned again.
    await writeFile(join(root, "other.yaml"), namespace("ns1"));
    const after = await until(source, (set) => set.namespaces.has("ns1"));
    expect(modeIn(after)).toBe("STRICT");
    expect(log.find(expected)).toHaveLength(1);
    await writeFile(path, policy("DISABLE"));
    await until(source, (set) => modeIn(set) === "DISABLE");
    expect(source.problems()).toEqual([]);
  });

  it("reports a symlink loop, a dangling symlink and a pipe, and reads the rest", async () => {
    await symlink("loop.yaml", join(root, "loop.yaml"));
    await symlink("nowhere", join(root, "dangling.yaml"));
    await symlink("/dev/null", join(root, "device.yaml"));
    await writeFile(join(root, "policy.yaml"), policy("STRICT"));
    const source = await start();
    expect(modeIn(source.current())).toBe("STRICT");
    expect(source.problems().map(({ file, message }) => `${file.slice(root.length + 1)}: ${message}`)).toEqual([
      "dangling.yaml: the file cannot be read: it does not exist, or it is a dangling symlink",
      "device.yaml: it is not a regular file",
      "loop.yaml: the file cannot be read: it is a symlink loop",
    ]);
  });

  it.each([
    { name: "has an error", write: (path: string) => writeFile(path, policy("STRIKT")) },
    { name: "is no YAML", write: (path: string) => writeFile(path, policy("{STRICT")) },
    { name: "is no UTF-8", write: (path: string) => writeFile(path, Buffer.from([0xff, 0x41])) },
    { name: "is too large", write: (path: string) => writeFile(path, "#".repeat(1_100_000)) },
    { name: "is a dangling symlink", write: (path: string) => symlink("nowhere", path) },
  ])("starts STRICT with a policy file that $name, until it is repaired or deleted", async ({ write }) => {
    const path = join(root, "policy.yaml");
    await writeFile(join(root, "pod.yaml"), POD);
    await write(path);
    const source = await start();
    expect(decidedMode(source.current())).toBe("STRICT");
    await rm(path);
    await until(source, (set) => decidedMode(set) === "PERMISSIVE");
    await write(path);
    await until(source, (set) => decidedMode(set) === "STRICT");
    await rm(path);
    await writeFile(path, policy("DISABLE"));
    await until(source, (set) => decidedMode(set) === "DISABLE");
  });

  it("starts STRICT without one of its folders", async () => {
    const [present, late] = [join(root, "present"), join(root, "late")];
    await mkdir(present);
    await writeFile(join(present, "pod.yaml"), POD);
    const source = await start(present, late);
    expect(decidedMode(source.current())).toBe("STRICT");
    await mkdir(late);
    await until(source, (set) => decidedMode(set) === "PERMISSIVE");
    await rm(late, { recursive: true });
    await log.seen(`${late}: error`);
    expect(decidedMode(source.current())).toBe("PERMISSIVE");
  });

  it("reports a missing folder, keeps the others, and reads it once it exists", async () => {
    const [present, late] = [join(root, "present"), join(root, "late")];
    await mkdir(present);
    await writeFile(join(present, "policy.yaml"), policy("STRICT"));
    const source = await start(present, late);
    expect(modeIn(source.current())).toBe("STRICT");
    expect(log.find("the folder cannot be read")).toHaveLength(1);
    await mkdir(late);
    await writeFile(join(late, "namespace.yaml"), namespace("ns1"));
    await until(source, (set) => set.namespaces.has("ns1"));
    await rm(present, { recursive: true });
    await log.seen(`${present}: error`);
    expect(modeIn(source.current())).toBe("STRICT");
  });

  it("reports no changes after it is stopped", async () => {
    const source = await start();
    let changes = 0;
    source.subscribe(() => {
      changes += 1;
    });
    stop.abort();
    await writeFile(join(root, "policy.yaml"), policy("STRICT"));
    const witness = new AbortController();
    const other = await startFolderSource({ folders: [root], log, clock, signal: witness.signal });
    await writeFile(join(root, "namespace.yaml"), namespace("ns1"));
    await until(other, (set) => set.namespaces.has("ns1"));
    witness.abort();
    expect(changes).toBe(0);
    expect(modeIn(source.current())).toBeUndefined();
  });
});
