import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import { KubernetesApiError } from "../../kubernetes/kubernetes-api-error.ts";
import { InProcessApi, type InProcessCall } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createConfigMapControlStore } from "./config-map-control-store.ts";
import type { ControlFollower, ControlStore } from "./control-store.ts";
import { adding, serialNumbersOf } from "./control-store-contract-fixture.ts";
import { createFileControlStore } from "./file-control-store.ts";
import { followConfigMapControl } from "./follow-config-map-control.ts";
import { followFileControl } from "./follow-file-control.ts";

/** Where a state is kept, and how it is damaged. */
interface Home {
  readonly store: ControlStore;
  follow(): Promise<ControlFollower>;
  write(text: string): void;
  remove(): void;
}

let clock: FakeClock;
let log: RecordingLogger;
let waiting: string[];
let stop: AbortController;
let directory: string;
let beforeCall: (call: InProcessCall) => void;
beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  waiting = [];
  stop = new AbortController();
  directory = mkdtempSync(join(tmpdir(), "entente-control-"));
  beforeCall = () => undefined;
});
afterEach(() => {
  stop.abort();
  rmSync(directory, { recursive: true, force: true });
});

function fileHome(): Home {
  const shared = { directory, clock, log, onWaiting: (reason: string) => void waiting.push(reason) };
  return {
    store: createFileControlStore(directory),
    follow: () => followFileControl({ ...shared, signal: stop.signal }),
    write: (text) => writeFileSync(join(directory, "entente-ca.90.json"), `{"revocations":${text}}`, { mode: 0o600 }),
    remove: () => {
      for (const name of readdirSync(directory)) rmSync(join(directory, name));
    },
  };
}

function configMapHome(): Home {
  const cluster = new TestCluster({ now: () => clock.now() });
  const namespace = "istio-system";
  const name = { namespace, name: "entente-ca" };
  cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const api = new InProcessApi(cluster, { beforeCall: (call) => beforeCall(call) });
  const shared = { api, namespace, clock, random: () => 0.5, randomBytes, signal: stop.signal };
  return {
    store: createConfigMapControlStore({ ...shared, api: new InProcessApi(cluster) }),
    follow: () => followConfigMapControl({ ...shared, log, onWaiting: (reason) => void waiting.push(reason) }),
    write: (text) => {
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: name, data: { "revocations.json": text } };
      if (cluster.find(KINDS.configMaps, name) === undefined) cluster.create(KINDS.configMaps, object);
      else cluster.replace(KINDS.configMaps, object);
    },
    remove: () => cluster.delete(KINDS.configMaps, name),
  };
}

/** Files are read by the system while time passes. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 250) {
    await clock.advance(Math.min(left, 250));
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

async function started(home: Home): Promise<ControlFollower> {
  const starting = home.follow();
  await pass(250);
  return await starting;
}

describe.each([
  { name: "a directory", open: fileHome },
  { name: "a ConfigMap", open: configMapHome },
])("a control plane that follows $name", ({ open }) => {
  it("begins with nothing where nothing was ever asked", async () => {
    const control = await started(open());
    expect(control.current()).toEqual({ revocations: [], rotation: undefined });
    expect(control.fault()).toBeUndefined();
  });

  it("begins with what was asked before", async () => {
    const home = open();
    await home.store.update(adding("A1"));
    expect(serialNumbersOf((await started(home)).current())).toEqual(["A1"]);
  });

  it("has a change in force within a second, and reports it once", async () => {
    const home = open();
    const control = await started(home);
    const seen: (readonly string[])[] = [];
    control.subscribe(() => seen.push(serialNumbersOf(control.current())));
    await home.store.update(adding("A1"));
    await pass(1000);
    await pass(5000);
    expect(seen).toEqual([["A1"]]);
  });

  it("does not start with a list that cannot be read, and starts when it can", async () => {
    const home = open();
    home.write("[{]");
    let isStarted = false;
    const starting = home.follow().then((control) => {
      isStarted = true;
      return control;
    });
    await pass(5000);
    expect(isStarted).toBe(false);
    expect(waiting.at(-1)).toContain("the list of revocations is not JSON".slice(-11));
    home.write('[{"serial":"A1","revokedAt":"2026-11-26T18:44:32Z"}]');
    await pass(2000);
    expect(serialNumbersOf((await starting).current())).toEqual(["A1"]);
  });

  it("keeps the last valid list, with an alarm, until there is another one", async () => {
    const home = open();
    await home.store.update(adding("A1"));
    const control = await started(home);
    home.write("[{]");
    await pass(2000);
    expect(serialNumbersOf(control.current())).toEqual(["A1"]);
    expect(control.fault()).toContain("not JSON");
    await pass(5000);
    expect(log.find("the last valid state stays in force")).toHaveLength(1);
    home.write("[]");
    await pass(2000);
    expect([control.current().revocations, control.fault()]).toEqual([[], undefined]);
  });

  it("stores a deleted list again", async () => {
    const home = open();
    await home.store.update(adding("A1"));
    const control = await started(home);
    home.remove();
    await pass(5000);
    expect(serialNumbersOf(control.current())).toEqual(["A1"]);
    expect(serialNumbersOf(await home.store.read())).toEqual(["A1"]);
    expect(log.find("it stays in force and is stored again")).toHaveLength(1);
  });

  it("gives up its start with the signal", async () => {
    const home = open();
    home.write("[{]");
    const starting = home.follow();
    starting.catch(() => undefined);
    await pass(1000);
    stop.abort(new Error("stopped"));
    await expect(starting).rejects.toThrow("stopped");
  });
});

describe("the ConfigMap", () => {
  it("must have been looked for: no control plane starts while the API is away", async () => {
    const home = configMapHome();
    beforeCall = () => {
      throw new KubernetesApiError("api_unreachable", "connection refused");
    };
    const starting = home.follow();
    await pass(5000);
    expect(waiting.at(-1)).toContain("connection refused");
    beforeCall = () => undefined;
    await pass(20_000);
    expect((await starting).current().revocations).toEqual([]);
  });

  it("must be allowed to be read: no control plane starts without the right, and the reason names it", async () => {
    const home = configMapHome();
    beforeCall = ({ verb }) => {
      if (verb === "list") throw new KubernetesApiError("api_refused", "forbidden", { status: 403 });
    };
    home.follow().catch(() => undefined);
    await pass(2000);
    expect(waiting.at(-1)).toContain('grant "list configmaps in namespace istio-system"');
  });

  it("may be impossible to store again for a while", async () => {
    const home = configMapHome();
    await home.store.update(adding("A1"));
    const control = await started(home);
    beforeCall = ({ verb }) => {
      if (verb === "apply") throw new KubernetesApiError("api_unreachable", "connection refused");
    };
    home.remove();
    await pass(6000);
    expect(control.fault()).toContain("connection refused");
    expect(serialNumbersOf(control.current())).toEqual(["A1"]);
    beforeCall = () => undefined;
    await pass(10_000);
    expect(serialNumbersOf(await home.store.read())).toEqual(["A1"]);
    expect(control.fault()).toBeUndefined();
  });
});
